"""`TaskShares`: the shares of a stage's tasks, step by step, as validation adapts them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float64

from coterie.data.share_adaptation import ShareAdaptation


class TaskShares:
    """The shares of the steps so far, and of those to come unless a validation changes them.

    Equal on all processes, which take the first one's validation losses. A checkpoint has it, so
    that a resumed run repeats the batches of the steps before, and goes on as one that was not
    stopped.
    """

    def __init__(
        self, adaptation: ShareAdaptation, shares: Mapping[str, float], *, steps: int
    ) -> None:
        """Start from the tasks' first shares; `steps` are the stage's.

        Raises ValueError for lowest shares that are more than 1 together, or no second task.
        """
        if len(shares) < 2 or adaptation.lowest * len(shares) > 1:
            raise ValueError(
                f"{adaptation}: a stage of {len(shares)} tasks needs two or more, and a lowest "
                f"share of at most {1 / len(shares):.3g}: leave mix.adaptation out, or lower it"
            )
        self.adaptation, self.names, self.steps = adaptation, tuple(shares), steps
        self.changes: list[tuple[int, list[float]]] = [(0, list(shares.values()))]
        self.first_losses: dict[str, float] = {}

    @property
    def current(self) -> dict[str, float]:
        """Task -> its share of the next step."""
        return dict(zip(self.names, self.changes[-1][1], strict=True))

    def update(self, step: int, losses: Mapping[str, float]) -> None:
        """Adapt the shares to the validation losses after `step` steps of the stage."""
        self.first_losses = {**losses, **self.first_losses}
        relative = [
            losses[name] / max(self.first_losses[name], np.finfo(float).tiny)
            if name in losses
            else np.nan
            for name in self.names
        ]
        shares = self.adaptation.adapt(
            np.array(self.changes[-1][1]), np.array(relative), remaining=1 - step / self.steps
        )
        self.changes.append((step, shares.tolist()))

    def list_by_step(self) -> Float64[np.ndarray, "steps tasks"]:
        """Return the shares of each step of the stage."""
        starts = [start for start, _ in self.changes]
        lengths = np.diff([*starts, self.steps])
        return np.repeat(np.array([shares for _, shares in self.changes]), lengths, axis=0)

    def state_dict(self) -> dict[str, Any]:
        return {"changes": self.changes, "first_losses": self.first_losses}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.changes = [(start, list(shares)) for start, shares in state["changes"]]
        self.first_losses = dict(state["first_losses"])
