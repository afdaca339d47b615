"""Scores of several systems over the same draws of samples, and over draws of their seeds."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from coterie.evaluate import bootstrap
from coterie.evaluate.systems import System, TaskStatistics


@dataclass(frozen=True, kw_only=True)
class BootstrapSamples:
    """One system's scores.

    Attributes:
        values: the mean over seeds of each task's score on all samples.
        draws: the same on each draw of samples and seeds; row i is the same samples for all
            systems that `drawn` was given together.
    """

    values: Float[np.ndarray, " tasks"]
    resamples: Float[np.ndarray, "resamples tasks"]


def check_same_samples(systems: Sequence[System]) -> tuple[str, ...]:
    """The tasks that all systems have. ValueError if one lacks a task or scored other samples."""
    first = systems[0]
    for system in systems[1:]:
        for one, other in ((first, system), (system, first)):
            if missing := [task for task in one.tasks if task not in other.tasks]:
                raise ValueError(
                    f"{one.name!r} was scored on {', '.join(missing)} and {other.name!r} was not: "
                    "compare systems of the same tasks"
                )
        for task, scored in first.tasks.items():
            mine, others = scored.samples, system.tasks[task].samples
            if mine != others:
                raise ValueError(
                    f"{first.name!r} and {system.name!r} scored different samples of {task!r} "
                    f"({len(mine)} and {len(others)}, {len(set(mine) & set(others))} of them the "
                    "same): evaluate both on the same rows, with the same limit"
                )
    return tuple(first.tasks)


def bootstrap_systems(
    systems: Sequence[System], *, resamples: int, seed: int
) -> list[BootstrapSamples]:
    """Each system's scores over the same draws. Raises ValueError as `check_same_samples`."""
    tasks = check_same_samples(systems)
    by_task = [
        _bootstrap_task(
            [system.tasks[task] for system in systems], resamples, (seed, _make_task_seed(task))
        )
        for task in tasks
    ]
    found = []
    for position, system in enumerate(systems):
        # Seeds are drawn apart for each system, and once for all of its tasks.
        counts = bootstrap.draw_seed_counts(
            seeds=len(system.seeds), resamples=resamples, seed=(seed, 1, position)
        )
        columns = [
            # Moved away from their mean, draws may pass the end of the scale.
            np.clip(
                bootstrap.resample_seeds(each[position][1], counts),
                *system.tasks[task].metric.limits,
            )
            for task, each in zip(tasks, by_task, strict=True)
        ]
        values = [each[position][0].mean() for each in by_task]
        found.append(BootstrapSamples(values=np.array(values), resamples=np.stack(columns, axis=1)))
    return found


def _bootstrap_task(
    scored: list[TaskStatistics], resamples: int, seed: tuple[int, ...]
) -> list[tuple[Float[np.ndarray, " seeds"], Float[np.ndarray, "seeds resamples"]]]:
    """Each system's scores of one task: on all samples, and on each draw."""
    matrices = [matrix for each in scored for matrix in each.statistics]
    sums = iter(bootstrap.resample_sums(matrices, resamples=resamples, seed=seed))
    found = []
    for each in scored:
        values = [each.metric.score(matrix.sum(0)) for matrix in each.statistics]
        draws = [bootstrap.compute_scores(each.metric, next(sums)) for _ in each.statistics]
        found.append((np.array(values, dtype=np.float64), np.stack(draws)))
    return found


def _make_task_seed(task: str) -> int:
    """A number that stays with the task's name, so that its draws do too."""
    return zlib.crc32(task.encode())


def compute_share_better(
    one: Float[np.ndarray, " resamples"],
    other: Float[np.ndarray, " resamples"],
    *,
    higher_is_better: bool = True,
) -> float:
    """The share of paired draws in which `one` is better, ties counting half; NaN if none says."""
    known = np.isfinite(one) & np.isfinite(other)
    if not known.any():
        return float("nan")
    difference = (one - other)[known] * (1 if higher_is_better else -1)
    return float(((difference > 0) + 0.5 * (difference == 0)).mean())
