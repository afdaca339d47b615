"""How many ranks a token of each task uses, against how hard the task is: the claim of RoDE."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import torch

from coterie.evaluate.expert_usage import make_expert_names
from coterie.mixture import Mixture
from coterie.report.expert_layers import parse_layers
from coterie.report.formatting import Axis, is_number, make_axis
from coterie.report.systems import ReportSystem, RunFiles

LAST_RECORDS = 5
"""Records of the log whose mean is a task's loss at the end."""
FEW_TASKS = 5
"""With fewer, a correlation over tasks says little."""
ERROR, LOSS = "share of errors", "loss at the end of training"


@dataclass(frozen=True, kw_only=True)
class RankUsage:
    """What a run uses for each of its tasks.

    Attributes:
        ranks: of each task, the ranks of the experts with a weight above 0, added up, mean over
            tokens and layers.
        total: the ranks of all experts, mean over layers.
        difficulty: of each task, 1 minus the score, where all scores are in percent; else the loss.
        measure: which of the two it is.
    """

    tasks: tuple[str, ...]
    ranks: tuple[float, ...]
    total: float
    difficulty: tuple[float, ...]
    measure: str

    @property
    def correlation(self) -> float:
        """Spearman's correlation over tasks; NaN for less than three, or all alike."""
        return compute_spearman(self.ranks, self.difficulty)

    @property
    def note(self) -> str:
        """What limits the correlation; empty for nothing."""
        if (count := len(self.tasks)) >= FEW_TASKS:
            return ""
        return f"{count} tasks are too few to tell a correlation from chance"

    @property
    def axes(self) -> tuple[Axis, Axis]:
        """The axis of difficulty, and that of ranks."""
        return make_axis(self.difficulty), make_axis(self.ranks)


def find_rank_usage(system: ReportSystem) -> RankUsage | None:
    """Measure the first run of a system that can be; None if none can."""
    return next(filter(None, map(measure_rank_usage, system.runs)), None)


def measure_rank_usage(run: RunFiles) -> RankUsage | None:
    """Measure a run that was evaluated.

    None if its tasks use the same number of ranks, as of a router with a fixed one, or if experts
    have no ranks, or the difficulty of less than two tasks is known.
    """
    file = run.directory.expert_usage_file
    names, layers = parse_layers(run.directory.try_read_mapping(file))
    mixtures = () if run.config is None else run.config.recipe.mixtures
    known = {tuple(make_expert_names(each)): find_ranks(each) for each in mixtures}
    found = [
        (each.chosen, ranks)
        for each in layers
        if each.chosen is not None and (ranks := known.get(tuple(each.experts)))
    ]
    if not found:
        return None
    by_layer = torch.stack([chosen @ torch.tensor(ranks).double() for chosen, ranks in found])
    used = dict(zip(names, by_layer.mean(0).tolist(), strict=True))
    measure, difficulty = measure_difficulty(run)
    tasks = tuple(task for task in used if task in difficulty and is_number(used[task]))
    means = tuple(used[task] for task in tasks)
    if len(tasks) < 2 or math.isclose(min(means), max(means), rel_tol=1e-6):
        return None
    return RankUsage(
        tasks=tasks, ranks=means, total=fmean(sum(ranks) for _, ranks in found), measure=measure,
        difficulty=tuple(difficulty[task] for task in tasks),
    )  # fmt: skip


def find_ranks(mixture: Mixture) -> list[int]:
    """Return the rank of each expert, 0 of those without weights; none if experts have no ranks."""
    ranks = mixture.main.get_ranks()
    return [] if ranks is None else [*ranks, *[0] * (mixture.num_experts - len(ranks))]


def measure_difficulty(run: RunFiles) -> tuple[str, dict[str, float]]:
    """Return the measure of difficulty, and its value for each task where it is known."""
    scores = run.scores.tasks
    if scores and all(each.unit == "%" and is_number(each.score) for each in scores.values()):
        shares = {name: each.score / 100 for name, each in scores.items()}
        return ERROR, {
            name: 1 - share if scores[name].higher_is_better else share
            for name, share in shares.items()
        }
    return LOSS, read_last_losses(run.log)


def read_last_losses(log: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return each task's loss in the last records that have it: of validation if there is some."""
    for key in ("validation_loss", "task_loss"):
        found: dict[str, list[float]] = {}
        for row in log:
            losses = row.get(key)
            for task, loss in losses.items() if isinstance(losses, Mapping) else ():
                found.setdefault(task, []).extend([loss] if is_number(loss) else [])
        means = {task: fmean(each[-LAST_RECORDS:]) for task, each in found.items() if each}
        if means:
            return means
    return {}


def compute_spearman(first: Sequence[float], second: Sequence[float]) -> float:
    """Compute Spearman's rank correlation; equal values share their mean place. NaN for < 3."""
    if len(first) < 3:
        return math.nan
    places = torch.tensor([find_places(first), find_places(second)], dtype=torch.float64)
    centred = places - places.mean(1, keepdim=True)
    norms = centred.norm(dim=1)
    return (centred[0] @ centred[1] / norms.prod()).item() if norms.all() else math.nan


def find_places(values: Sequence[float]) -> list[float]:
    """Return the place of each value in ascending order; the mean place of equal ones."""
    return [
        sum(other < value for other in values) + (sum(other == value for other in values) - 1) / 2
        for value in values
    ]
