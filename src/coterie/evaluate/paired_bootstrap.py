"""Scores of several systems and each of their seeds, on the same bootstrap resamples."""

import zlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from coterie.evaluate import bootstrap
from coterie.evaluate.systems import System, TaskStatistics
from coterie.evaluate.variance import BootstrapSamples


def check_same_samples(systems: Sequence[System]) -> tuple[str, ...]:
    """Return the tasks. Raises ValueError if a system lacks one or scored other samples."""
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
    """Score each seed of each system on the same resamples.

    Raises ValueError as `check_same_samples` does.
    """
    tasks = check_same_samples(systems)
    by_task = [
        _bootstrap_task(
            [system.tasks[task] for system in systems], resamples, (seed, _make_task_seed(task))
        )
        for task in tasks
    ]
    return [
        BootstrapSamples(
            values=np.stack([each[position][0] for each in by_task], axis=1),
            draws=np.stack([each[position][1] for each in by_task], axis=2),
            samples=tuple(len(system.tasks[task].samples) for task in tasks),
            limits=tuple(system.tasks[task].metric.limits for task in tasks),
        )
        for position, system in enumerate(systems)
    ]


def _bootstrap_task(
    scored: list[TaskStatistics], resamples: int, seed: tuple[int, ...]
) -> list[tuple[Float[np.ndarray, " seeds"], Float[np.ndarray, "seeds resamples"]]]:
    """Return each system's scores of one task: on all samples, and on each resample."""
    matrices = [matrix for each in scored for matrix in each.statistics]
    sums = iter(bootstrap.resample_sums(matrices, resamples=resamples, seed=seed))
    found = []
    for each in scored:
        values = [each.metric.score(matrix.sum(0)) for matrix in each.statistics]
        draws = [bootstrap.compute_scores(each.metric, next(sums)) for _ in each.statistics]
        found.append((np.array(values, dtype=np.float64), np.stack(draws)))
    return found


def _make_task_seed(task: str) -> int:
    """Return a number that depends only on the task's name, as do its resamples."""
    return zlib.crc32(task.encode())
