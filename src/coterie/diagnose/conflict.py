"""`Conflict`: gradient cosines between tasks, by layer, and the effect of a step on other tasks."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from coterie.io import replace_non_finite, write_json
from coterie.train.run_directory import RunDirectory

Matrix = tuple[tuple[float, ...], ...]
NOISE_THRESHOLD = 0.1
MIN_TRANSFER = 0.001


@dataclass(frozen=True, kw_only=True)
class Conflict:
    """The conflict between tasks, as `coterie.diagnose` measures it.

    Cosines are between the tasks' mean gradients: 1 for the same direction, 0 for no common
    direction, below 0 where a step on one task raises the loss of the other (Yu et al. 2020,
    PCGrad, arXiv:2001.06782). Undefined ones are NaN.

    Attributes:
        tasks: their names; rows and columns of every matrix.
        groups: names of the layer groups.
        space: the parameters: "probe", a new shared LoRA; "adapter", a run's experts and gates;
            "blocks", the weights of a vision backbone's blocks.
        cosine: one matrix for each layer group.
        overall: the cosines over all layers together.
        low: `overall` minus two standard errors over batches.
        high: `overall` plus two standard errors.
        within_task: of each task, the cosine between two halves of its own batches, which shows
            the noise.
        transfer: relative change of the loss of the column's task after a step on the row's, such
            that the row's own loss should fall by `step`; helpful below 0 (the lookahead of Fifty
            et al. 2021, TAG, arXiv:2109.04617, eq. 1, with the opposite sign).
        losses: each task's mean loss in nats per token; of dense tasks per image, times the
            task's weight.
        negative_share: share of the pairs of tasks whose overall cosine is below 0.
        shared: of a run, the same measurement on a new shared LoRA in the trained model, to be
            compared with a diagnosis before training, or on the weights of blocks that have no
            experts; without transfer, and None if not measured.
        settings: batches, batch_size, seed, step, split and at or shared_layers, as used.
        seconds: wall-clock time.
    """

    tasks: tuple[str, ...]
    groups: tuple[str, ...]
    space: str
    cosine: tuple[Matrix, ...]
    overall: Matrix
    low: Matrix
    high: Matrix
    within_task: tuple[float, ...]
    transfer: Matrix = ()
    losses: tuple[float, ...] = ()
    negative_share: float = float("nan")
    shared: "Conflict | None" = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """All pairs of different tasks, as indices into the matrices."""
        count = len(self.tasks)
        return tuple((i, j) for i in range(count) for j in range(i + 1, count))

    @property
    def conflicting_pairs(self) -> tuple[tuple[int, int], ...]:
        """Pairs whose interval is entirely below 0, the lowest cosine first."""
        found = [(i, j) for i, j in self.pairs if self.high[i][j] < 0]
        return tuple(sorted(found, key=lambda pair: self.overall[pair[0]][pair[1]]))

    @property
    def summary(self) -> str:
        """The result in one to three sentences."""
        return " ".join(
            filter(
                None,
                (
                    self._describe_conflicting_pairs(),
                    self._describe_transfer(),
                    self._describe_noise(),
                ),
            )
        )

    def _describe_conflicting_pairs(self) -> str:
        known = [(i, j) for i, j in self.pairs if math.isfinite(self.overall[i][j])]
        count = f"{len(known)} pair{'s' * (len(known) != 1)} of tasks"
        if not known:
            return "No two tasks have gradients in the same parameters, so none can conflict there."
        against = self.conflicting_pairs
        one, other = min(known, key=lambda pair: self.overall[pair[0]][pair[1]])
        agree = f"two halves of one task agree at {self._compute_typical_cosine():.2f}"
        cosine = f"cosine {self.overall[one][other]:.2f}"
        names = f"{self.tasks[one]} and {self.tasks[other]}"
        if not against:
            return (
                f"None of {count} surely pulls against the other; {names} agree least "
                f"({cosine}, where {agree})."
            )
        one, other = against[0]
        pull = "pulls" if len(against) == 1 else "pull"
        return (
            f"{len(against)} of {count} {pull} against each other, {self.tasks[one]} and "
            f"{self.tasks[other]} most (cosine {self.overall[one][other]:.2f}, where {agree})."
        )

    def _describe_transfer(self) -> str:
        others = [(i, j) for i, j in (*self.pairs, *((j, i) for i, j in self.pairs))]
        if not self.transfer or not others:
            return ""
        i, j = max(others, key=lambda pair: self.transfer[pair[0]][pair[1]])
        worst = self.transfer[i][j]
        if not worst > 0:
            return "A step on any task lowers the loss of every other."
        if worst < MIN_TRANSFER:
            return "No step on a task raises the loss of another by as much as 0.1 %."
        return (
            f"A step on {self.tasks[i]} that changes its own loss by "
            f"{100 * self.transfer[i][i]:+.1f} % changes that of {self.tasks[j]} by "
            f"{100 * worst:+.1f} %."
        )

    def _describe_noise(self) -> str:
        if self._compute_typical_cosine() >= NOISE_THRESHOLD:
            return ""
        return "That is noisy: take more or larger batches before relying on it."

    def _compute_typical_cosine(self) -> float:
        known = sorted(value for value in self.within_task if math.isfinite(value))
        return known[len(known) // 2] if known else float("nan")

    def dump(self) -> dict[str, Any]:
        """Return the conflict as JSON values; NaN becomes None."""
        data = asdict(self) | {"sentence": self.summary}
        data["shared"] = None if self.shared is None else self.shared.dump()
        return replace_non_finite(data)

    def save(self, path: str | Path) -> Path:
        """Write the conflict to a file, or to conflict.json in a folder; return the file."""
        path = Path(path)
        path = RunDirectory(path).conflict_file if path.is_dir() else path
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, self.dump())
        return path

    @classmethod
    def read(cls, path: str | Path) -> "Conflict":
        """Read the conflict in a file, or in conflict.json of a folder.

        Raises ValueError if there is none.
        """
        path = Path(path)
        path = RunDirectory(path).conflict_file if path.is_dir() else path
        if not path.is_file():
            raise ValueError(f"{path} is not there: run `coterie diagnose` first")
        try:
            return _from_json(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{path} holds no conflict ({error!r}): diagnose again") from error


def _from_json(data: Mapping[str, Any]) -> Conflict:
    shared = data["shared"]
    plain = {
        each.name: _to_tuples(data[each.name])
        for each in fields(Conflict)
        if each.name not in ("shared", "settings")
    }
    return Conflict(
        **plain,
        settings=data["settings"],
        shared=None if shared is None else _from_json(shared),
    )


def _to_tuples(data: Any) -> Any:
    """Convert lists to tuples, and None, which stands for a non-finite number, to NaN."""
    if isinstance(data, list):
        return tuple(_to_tuples(each) for each in data)
    return float("nan") if data is None else data
