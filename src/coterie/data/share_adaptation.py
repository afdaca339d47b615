"""`ShareAdaptation`: tasks that lag in validation get more of the steps to come."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64


@dataclass(frozen=True, kw_only=True)
class ShareAdaptation:
    """After each validation, moves a part of the samples to the task that has learned least.

    A task's measure is its validation loss relative to its first one (the inverse training rate of
    GradNorm, Chen et al. 2018, arXiv:1711.02257, section 3.2). The task with the highest takes
    `step` of all samples, less as the stage goes on and none at its end, from the one with the
    lowest. Tasks without validation rows keep their share.

    A reconstruction of the sampler of Alt-MoE (also M3-JEPA; arXiv:2409.05929). Its code draws a
    step's task, one of two, with probabilities that follow the recalls of the last validation,
    between two bounds and with a decaying step; the file with the rule was not released. Departs:
    any number of tasks; relative losses, which tasks of all kinds have; quotas in place of draws.

    Attributes:
        step: the most that moves at once, in (0, 1).
        lowest, highest: bounds that no move passes, in [0, 1]. All tasks at their lowest have at
            most 1 together. A share that is outside to begin with moves inwards alone.
    """

    step: float = 0.1
    lowest: float = 0.05
    highest: float = 0.9

    def __post_init__(self) -> None:
        if not (0 < self.step < 1 and 0 <= self.lowest < self.highest <= 1):
            raise ValueError(
                f"ShareAdaptation(step={self.step}, lowest={self.lowest}, highest={self.highest}): "
                "give a step in (0, 1), and bounds in [0, 1] of which lowest is below highest"
            )

    def adapt(
        self,
        shares: Float64[np.ndarray, " tasks"],
        relative_losses: Float64[np.ndarray, " tasks"],
        *,
        remaining: float,
    ) -> Float64[np.ndarray, " tasks"]:
        """Return the next shares, which add up to what these do.

        Args:
            shares: the tasks' shares of the samples.
            relative_losses: the last validation loss over the first; NaN where there is none.
            remaining: share of the stage that is left, a factor of `step`.
        """
        adapted = shares.copy()
        if np.isfinite(relative_losses).sum() < 2:
            return adapted
        behind, ahead = int(np.nanargmax(relative_losses)), int(np.nanargmin(relative_losses))
        room = min(shares[ahead] - self.lowest, self.highest - shares[behind])
        moved = max(0.0, min(self.step * remaining, room))
        if relative_losses[behind] > relative_losses[ahead]:
            adapted[behind] += moved
            adapted[ahead] -= moved
        return adapted


def count_by_shares(
    shares: Float64[np.ndarray, "steps tasks"], batch_size: int
) -> Int64[np.ndarray, "steps tasks"]:
    """Return the number of samples of each task in each batch, where shares change between batches.

    Each sample goes to the task that is owed most, and what a task is owed is carried on, so that
    it is in time as often as its shares say (smooth weighted round-robin). The first batches do not
    depend on later shares.
    """
    counts = np.zeros(shares.shape, np.int64)
    owed = np.zeros(shares.shape[1])
    for step, share in enumerate(shares):
        for _ in range(batch_size):
            owed += share
            # Rounding must not choose among equal ones.
            chosen = int((owed > owed.max() - 1e-9).argmax())
            owed[chosen] -= 1
            counts[step, chosen] += 1
    return counts
