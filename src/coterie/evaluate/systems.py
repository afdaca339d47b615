"""Systems under comparison: the grouping of runs, and the scores of their predictions."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from coterie import serialization
from coterie.evaluate.predictions import read_scored_samples
from coterie.evaluate.scores import Scores
from coterie.metrics.base import Metric
from coterie.train.run import Run

Runs = Run | str | Path | Sequence[Run | str | Path]
IGNORED_CONFIG_FIELDS = ("seed", "tasks", "steps")


@dataclass(frozen=True, kw_only=True)
class TaskStatistics:
    """One task's samples, and the statistics of each seed's model on them.

    Attributes:
        metric: turns summed statistics into a score.
        name: the metric, as tasks.yaml writes it.
        samples: a key for each sample, unique among all.
        statistics: one matrix per seed.
    """

    metric: Metric
    name: str
    samples: tuple[str, ...]
    statistics: tuple[Float[np.ndarray, "samples statistics"], ...]


@dataclass(frozen=True, kw_only=True)
class System:
    """The scored runs of one method.

    Attributes:
        name: its name in the table.
        seeds: one per replica; single-task runs of one seed are one replica together.
        tasks: task -> its statistics, each with as many seeds.
        costs: one per run.
        control: "" for the runs themselves, or the name of a control.
        control_of: of a control, the system whose runs were evaluated as it.
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
    folder.
    """
    if isinstance(runs, Mapping):
        return {name: resolve_runs(group) for name, group in runs.items()}
    groups: dict[str, list[Run]] = {}
    for run in resolve_runs(runs):
        config = serialization.dump(run.config)
        settings = {name: config[name] for name in config if name not in IGNORED_CONFIG_FIELDS}
        key = json.dumps([settings, run.config.tasks.get_training_settings()])
        groups.setdefault(key, []).append(run)
    names = Counter(group[0].config.recipe.name for group in groups.values())
    found = {}
    for group in groups.values():
        name = group[0].config.recipe.name
        found[name if names[name] == 1 else group[0].folder.name] = group
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

    Raises:
        ValueError: no runs, a run without scores, runs of several splits, two runs of one seed
            with one task, a seed without one of the tasks, seeds that scored other samples.
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
    get_common_split(runs, control)
    return System(
        name=name,
        seeds=tuple(by_seed),
        tasks={
            task: _load_task_statistics(
                name, task, [each[task] for each in by_seed.values()], control
            )
            for task in tasks
        },
        costs=tuple(_read_scores(run, control).cost for run in runs),
    )


def get_common_split(runs: Sequence[Run], control: str = "") -> str:
    """Return the split that all runs were scored on. Raises ValueError if they differ."""
    splits = {_read_scores(run, control).split: run.folder for run in runs}
    if len(splits) > 1:
        described = ", ".join(f"{folder} on {split!r}" for split, folder in splits.items())
        raise ValueError(f"runs were scored on several splits ({described}): evaluate them on one")
    return next(iter(splits))


def _read_scores(run: Run, control: str) -> Scores:
    return Scores.read(get_scores_file(run, control))


def get_scores_file(run: Run, control: str) -> Path:
    """Return the file of a run's scores, or of those of a control."""
    return run.directory.scores_file(control)


def _load_task_statistics(system: str, name: str, runs: list[Run], control: str) -> TaskStatistics:
    found = [
        read_scored_samples(
            run.config.tasks,
            name,
            run.directory.predictions_file(_read_scores(run, control).split, name, control),
        )
        for run in runs
    ]
    for run, record in zip(runs, found, strict=True):
        if record.samples != found[0].samples:
            raise ValueError(
                f"{run.folder} and {runs[0].folder} of system {system!r} scored different samples "
                f"of {name}: evaluate both on the same rows, with the same limit"
            )
    saved = _read_scores(runs[0], control).tasks
    if name not in saved:
        raise ValueError(f"{runs[0].folder} has no score of task {name!r}: evaluate it again")
    return TaskStatistics(
        metric=found[0].metric,
        name=saved[name].metric,
        samples=found[0].samples,
        statistics=tuple(record.statistics for record in found),
    )
