"""Systems under comparison: a name, and the runs (seeds, or one run a task) that make it."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coterie.report.run_files import RunFiles

MAX_SYSTEMS = 12


@dataclass(frozen=True, kw_only=True)
class ReportSystem:
    """One way to train; `index` chooses its colour and its mark on every chart."""

    name: str
    runs: tuple[RunFiles, ...]
    index: int

    @property
    def recipe_name(self) -> str:
        """The recipe's name, such as "shared_lora"; empty if no run tells."""
        return next((run.recipe_name for run in self.runs if run.recipe_name), "")

    @property
    def is_dense(self) -> bool:
        """Whether its tasks have an answer for each pixel."""
        return all(run.is_dense for run in self.runs)

    @property
    def is_single_task(self) -> bool:
        """Whether it is a model a task: by its recipe's name, or on pictures by its runs."""
        if not self.is_dense:
            return self.recipe_name == "single_task"
        named = {run.task_names for run in self.runs}
        return len(named) > 1 and all(len(tasks) == 1 for tasks in named)

    @property
    def seeds(self) -> list[Any]:
        """Its runs' seeds, each once."""
        return list(dict.fromkeys(run.seed for run in self.runs if run.seed is not None))


def group_systems(runs: Any) -> tuple[ReportSystem, ...]:
    """The systems of what `report` was given: a run, or a mapping from names to one run or more.

    Raises ValueError if there are none, or more than a chart can tell apart.
    """
    named = runs if isinstance(runs, Mapping) else {"": runs}
    if not 1 <= len(named) <= MAX_SYSTEMS:
        raise ValueError(
            f"report was given {len(named)} systems: give 1 to {MAX_SYSTEMS}, each with its run folders"
        )
    found = []
    for index, (name, group) in enumerate(named.items()):
        folders = tuple(get_folder(each) for each in ([group] if is_single_run(group) else group))
        if not folders:
            raise ValueError(f"system {name!r} has no runs: give at least one run's folder")
        told = str(name) or folders[0].recipe_name or folders[0].path.name
        found.append(ReportSystem(name=told, runs=folders, index=index))
    return tuple(found)


def select_baseline(found: tuple[ReportSystem, ...]) -> ReportSystem | None:
    """What the others are measured against.

    The shared LoRA if there is one; on pictures, a model a task if there is one; else the first.
    """
    if len(found) < 2:
        return None
    shared = (each for each in found if each.recipe_name == "shared_lora")
    alone = (each for each in found if each.is_dense and each.is_single_task)
    return next(shared, None) or next(alone, None) or found[0]


def is_single_run(group: Any) -> bool:
    """Whether this is a run (or its folder's path), not several."""
    return isinstance(group, str | os.PathLike) or not isinstance(group, Iterable)


def get_folder(run: Any) -> RunFiles:
    """The folder of a path or of a `coterie.train.Run`."""
    return RunFiles(Path(run if isinstance(run, str | os.PathLike) else run.folder))
