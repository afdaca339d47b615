"""`Conflict`: gradient cosines between tasks, by layer, and the effect of a step on other tasks."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from itertools import combinations, permutations
from pathlib import Path
from statistics import median_high
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
    PCGrad, arXiv:2001.06782, def. 1). Undefined ones are NaN.

    Attributes:
        tasks: their names; rows and columns of every matrix.
        groups: names of the layer groups.
        space: the parameters: "probe", a new shared LoRA; "adapter", a run's experts and gates;
            "blocks", the weights of a vision backbone's blocks.
        cosine: one matrix for each layer group.
        overall: the cosines over all layers together.
        low, high: `overall` minus and plus two standard errors over batches.
        within_task: of each task, the cosine between the mean gradients of the two halves of its
            own batches: how much of its gradient is the task's, and not the batch's noise.
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
    negative_share: float = math.nan
    shared: "Conflict | None" = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """All pairs of different tasks, as indices into the matrices."""
        return tuple(combinations(range(len(self.tasks)), 2))

    @property
    def conflicting_pairs(self) -> tuple[tuple[int, int], ...]:
        """Pairs whose interval is entirely below 0, the lowest cosine first."""
        found = [(i, j) for i, j in self.pairs if self.high[i][j] < 0]
        return tuple(sorted(found, key=self._get_cosine))

    @property
    def summary(self) -> str:
        """The result in one to three sentences."""
        noise = "That is noisy: take more or larger batches before relying on it."
        is_noisy = not self._compute_typical_cosine() >= NOISE_THRESHOLD
        said = (self._describe_pairs(), self._describe_transfer(), noise if is_noisy else "")
        return " ".join(filter(None, said))

    def _describe_pairs(self) -> str:
        known = [(i, j) for i, j in self.pairs if math.isfinite(self.overall[i][j])]
        if not known:
            return "No two tasks have gradients in the same parameters, so none can conflict there."
        against = self.conflicting_pairs
        one, other = against[0] if against else min(known, key=self._get_cosine)
        names = f"{self.tasks[one]} and {self.tasks[other]}"
        count = f"{len(known)} pair{'s' * (len(known) != 1)} of tasks"
        cosines = (
            f"(cosine {self.overall[one][other]:.2f}, where two halves of one task agree at "
            f"{self._compute_typical_cosine():.2f})"
        )
        if not against:
            return f"None of {count} surely pulls against the other; {names} agree least {cosines}."
        pull = "pulls" if len(against) == 1 else "pull"
        return f"{len(against)} of {count} {pull} against each other, {names} most {cosines}."

    def _describe_transfer(self) -> str:
        if not self.transfer or not self.pairs:
            return ""
        others = permutations(range(len(self.tasks)), 2)
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

    def _get_cosine(self, pair: tuple[int, int]) -> float:
        return self.overall[pair[0]][pair[1]]

    def _compute_typical_cosine(self) -> float:
        known = [value for value in self.within_task if math.isfinite(value)]
        return median_high(known) if known else math.nan

    def to_markdown(self) -> str:
        """Return the summary, and a table of the cosines over all layers."""
        lines = [
            [task, *("" if math.isnan(value) else f"{value:.2f}" for value in row)]
            for task, row in zip(self.tasks, self.overall, strict=True)
        ]
        head = f"| cosine | {' | '.join(self.tasks)} |"
        rule = f"|:--|{'--:|' * len(self.tasks)}"
        return "\n".join([self.summary, "", head, rule, *(f"| {' | '.join(x)} |" for x in lines)])

    def _repr_markdown_(self) -> str:
        """Show summary and table in a notebook."""
        return self.to_markdown()

    def __repr__(self) -> str:
        """Format what was compared alone: `summary` has the result."""
        return f"Conflict({len(self.tasks)} tasks, {len(self.groups)} groups, space={self.space!r})"

    def dump(self) -> dict[str, Any]:
        """Return the conflict as JSON values; NaN becomes None."""
        data = asdict(self) | {"sentence": self.summary}
        data["shared"] = None if self.shared is None else self.shared.dump()
        return replace_non_finite(data)

    def save(self, path: str | Path) -> Path:
        """Write the conflict to a file, or to conflict.json in a folder; return the file."""
        return write_json(_get_file(path), self.dump())

    @classmethod
    def read(cls, path: str | Path) -> "Conflict":
        """Read the conflict in a file, or in conflict.json of a folder.

        Raises ValueError if there is none.
        """
        file = _get_file(path)
        if not file.is_file():
            raise ValueError(f"{file} is not there: run `coterie diagnose` first")
        try:
            return _from_json(json.loads(file.read_text(encoding="utf-8")))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{file} holds no conflict ({error!r}): diagnose again") from error


def _get_file(path: str | Path) -> Path:
    path = Path(path).expanduser()
    return RunDirectory(path).conflict_file if path.is_dir() else path


def _from_json(data: Mapping[str, Any]) -> Conflict:
    values = {each.name: _to_tuples(data[each.name]) for each in fields(Conflict)}
    values["shared"] = None if data["shared"] is None else _from_json(data["shared"])
    return Conflict(**values)


def _to_tuples(data: Any) -> Any:
    """Convert lists to tuples, and None, which stands for a non-finite number, to NaN."""
    if isinstance(data, list):
        return tuple(_to_tuples(each) for each in data)
    return math.nan if data is None else data
