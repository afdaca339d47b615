"""Systems under comparison: the grouping of runs, and their scores on the same resamples."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from coterie import serialization
from coterie.evaluate.estimates import (
    SampleStatistics,
    compute_scores,
    make_task_seed,
    resample_sums,
)
from coterie.evaluate.intervals import BootstrapSamples
from coterie.evaluate.predictions import read_predictions
from coterie.evaluate.scores import Scores
from coterie.metrics.base import Metric
from coterie.train.run import Run

BySeed = Float[np.ndarray, " seeds"]
BySeedAndResample = Float[np.ndarray, "seeds resamples"]
Runs = Run | str | Path | Sequence[Run | str | Path]
IGNORED_CONFIG_FIELDS = ("seed", "tasks", "steps", "continued_to")


@dataclass(frozen=True, kw_only=True)
class TaskStatistics:
    """One task's samples, and the statistics of each seed's model on them.

    Attributes:
        name: the metric, as tasks.yaml writes it.
        samples: a unique key for each.
        statistics: one matrix per seed.
    """

    metric: Metric
    name: str
    samples: tuple[str, ...]
    statistics: tuple[SampleStatistics, ...]


@dataclass(frozen=True, kw_only=True)
class System:
    """The scored runs of one method.

    Attributes:
        seeds: one per replica; single-task runs of one seed are one replica together.
        tasks: task -> its statistics, each with as many seeds.
        costs: one per run; none of a control.
        control, control_of: as in `coterie.evaluate.table.SystemRow`.
    """

    name: str
    seeds: tuple[int, ...]
    tasks: Mapping[str, TaskStatistics]
    costs: tuple[Mapping[str, Any], ...]
    control: str = ""
    control_of: str = ""


def group_runs(runs: Sequence[Any] | Mapping[str, Any]) -> dict[str, list[Run]]:
    """Group the runs that were given to `coterie.compare` as system -> runs.

    A mapping is used as it is. In a sequence, runs that differ only in seed, tasks and length are
    one system, named after its recipe; where two systems share a recipe, after their first run's
    folder, with the folder around it where that is alike, too.
    """
    if isinstance(runs, Mapping):
        return {name: resolve_runs(group) for name, group in runs.items()}
    groups: dict[str, list[Run]] = {}
    for run in resolve_runs(runs):
        config = serialization.dump(run.config)
        settings = {name: config[name] for name in config if name not in IGNORED_CONFIG_FIELDS}
        key = json.dumps([settings, run.config.tasks.get_training_settings()])
        groups.setdefault(key, []).append(run)
    found: dict[str, list[Run]] = {}
    recipes = [group[0].config.recipe.name for group in groups.values()]
    folders = [group[0].folder for group in groups.values()]
    for recipe, folder, group in zip(recipes, folders, groups.values(), strict=True):
        alike = [each for each in folders if each.name == folder.name]
        in_parent = folder.name if len(alike) == 1 else f"{folder.parent.name}/{folder.name}"
        found[recipe if recipes.count(recipe) == 1 else in_parent] = group
    if len(found) < len(groups):
        raise ValueError(
            "two systems would have one name: give compare a mapping from names to runs"
        )
    return found


def resolve_runs(runs: Any) -> list[Run]:
    """Return a list of runs from a run, a folder, or several of them."""
    several = [runs] if isinstance(runs, Run | str | Path) else list(runs)
    return [run if isinstance(run, Run) else Run.read(run) for run in several]


def load_system(name: str, runs: list[Run], *, control: str = "") -> System:
    """Load the scores and statistics of a system's runs from their folders.

    Raises ValueError for no runs, a run without scores, runs of several splits, two runs of one
    seed with one task, a seed without one of the tasks, and seeds that scored other samples.
    """
    if not runs:
        raise ValueError(f"system {name!r} has no runs: give at least one")
    by_seed: dict[int, dict[str, Run]] = {}
    for run in runs:
        replica = by_seed.setdefault(run.config.seed, {})
        for task in run.task_names:
            if task in replica:
                raise ValueError(
                    f"system {name!r} has two runs of seed {run.config.seed} with task "
                    f"{task!r}, {replica[task].folder} and {run.folder}: give compare "
                    "a mapping with a name for each system"
                )
            replica[task] = run
    tasks = list(dict.fromkeys(task for run in runs for task in run.task_names))
    for seed, replica in by_seed.items():
        if missing := [task for task in tasks if task not in replica]:
            raise ValueError(
                f"system {name!r} has no run of seed {seed} with {', '.join(missing)}: give each "
                "seed all tasks"
            )
    split = get_common_split(runs, control)
    statistics = {}
    for task in tasks:
        mine = [replica[task] for replica in by_seed.values()]
        statistics[task] = _load_statistics(name, task, mine, split, control)
    costs = () if control else tuple(_read_scores(run, control).cost for run in runs)
    return System(name=name, seeds=tuple(by_seed), tasks=statistics, costs=costs, control=control)


def get_common_split(runs: Sequence[Run], control: str = "") -> str:
    """Return the split that all runs were scored on. Raises ValueError if they differ."""
    splits = {_read_scores(run, control).split: run.folder for run in runs}
    if len(splits) > 1:
        described = ", ".join(f"{folder} on {split!r}" for split, folder in splits.items())
        raise ValueError(f"runs were scored on several splits ({described}): evaluate them on one")
    return next(iter(splits))


def _read_scores(run: Run, control: str) -> Scores:
    return Scores.read(run.directory.scores_file(control))


def _load_statistics(
    system: str, task: str, runs: list[Run], split: str, control: str
) -> TaskStatistics:
    scored, samples = [], []
    for run in runs:
        tasks, file = run.config.tasks, run.directory.predictions_file(split, task, control)
        rows = read_predictions(file, tasks.prediction_fields)
        scored.append(tasks.score_predictions(task, rows))
        samples.append(tuple(map(tasks.make_sample_key, rows)))
        if samples[-1] != samples[0]:
            raise ValueError(
                f"{run.folder} and {runs[0].folder} of system {system!r} scored different samples "
                f"of {task}: evaluate both on the same rows, with the same limit"
            )
    saved = _read_scores(runs[0], control).tasks
    if task not in saved:
        raise ValueError(f"{runs[0].folder} has no score of task {task!r}: evaluate it again")
    metrics, statistics = zip(*scored, strict=True)
    return TaskStatistics(
        metric=metrics[0], name=saved[task].metric, samples=samples[0], statistics=statistics
    )


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
    """Score each seed of each system on the same resamples, after `check_same_samples`."""
    tasks = check_same_samples(systems)
    values, draws = ([[] for _ in systems] for _ in range(2))
    for task in tasks:
        scored = [system.tasks[task] for system in systems]
        found = bootstrap_task(task, scored, resamples=resamples, seed=seed)
        for i, (value, drawn) in enumerate(found):
            values[i].append(value)
            draws[i].append(drawn)
    return [
        BootstrapSamples(
            values=np.stack(values[i], axis=1),
            draws=np.stack(draws[i], axis=2),
            samples=tuple(len(system.tasks[task].samples) for task in tasks),
            limits=tuple(system.tasks[task].metric.limits for task in tasks),
            scales=tuple(system.tasks[task].metric.get_score_range() for task in tasks),
        )
        for i, system in enumerate(systems)
    ]


def bootstrap_task(
    task: str, scored: Sequence[TaskStatistics], *, resamples: int, seed: int
) -> list[tuple[BySeed, BySeedAndResample]]:
    """Score each seed of several models of one task on all samples, and on the same resamples."""
    matrices = [matrix for each in scored for matrix in each.statistics]
    seeds = make_task_seed(task, seed)
    sums = iter(resample_sums(matrices, resamples=resamples, seed=seeds))
    return [
        (
            np.array([each.metric.score(one.sum(0)) for one in each.statistics], np.float64),
            np.stack([compute_scores(each.metric, next(sums)) for _ in each.statistics]),
        )
        for each in scored
    ]
