"""Systems of a report: a name, and the runs (seeds, or one run for each task) of each."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coterie.report.run_files import RunFiles

MAX_SYSTEMS = 12


@dataclass(frozen=True, kw_only=True)
class ReportSystem:
    """One way to train; `index` selects its colour and its marker in every chart."""

    name: str
    runs: tuple[RunFiles, ...]
    index: int

    @property
    def role(self) -> str:
        """The role of its recipe, "method" or "baseline"; "method" if no run has a recipe."""
        return next((run.role for run in self.runs if run.role), "method")

    @property
    def is_single_task(self) -> bool:
        """Whether it has a model for each of several tasks."""
        return len(self.list_task_names()) > 1 and self.has_single_task_runs

    @property
    def has_single_task_runs(self) -> bool:
        """Whether each of its runs has one task."""
        return all(len(run.task_names) == 1 for run in self.runs)

    @property
    def has_text_predictions(self) -> bool:
        """Whether rows of its predictions hold text; True if there are no predictions yet."""
        return any(run.has_text_predictions for run in self.runs)

    @property
    def seeds(self) -> list[Any]:
        """Its runs' seeds, each once."""
        return list(dict.fromkeys(run.seed for run in self.runs if run.seed is not None))

    def list_task_names(self) -> list[str]:
        """List the tasks of its runs, each once."""
        return list(dict.fromkeys(name for run in self.runs for name in run.task_names))

    def find_run(self, task: str) -> RunFiles:
        """Return the first run that was scored on a task, else the first."""
        return next((run for run in self.runs if task in run.score_entries), self.runs[0])


def group_systems(runs: Any) -> tuple[ReportSystem, ...]:
    """Return the systems of a run, or of a mapping from names to one run or more.

    Raises ValueError if there are none, or more than a chart can tell apart.
    """
    named = runs if isinstance(runs, Mapping) else {"": runs}
    if not 1 <= len(named) <= MAX_SYSTEMS:
        raise ValueError(
            f"report was given {len(named)} systems: give 1 to {MAX_SYSTEMS}, each with its run "
            "folders"
        )
    found = []
    for index, (name, group) in enumerate(named.items()):
        folders = tuple(
            open_run_files(each) for each in ([group] if is_single_run(group) else group)
        )
        if not folders:
            raise ValueError(f"system {name!r} has no runs: give at least one run's folder")
        label = str(name) or folders[0].recipe_name or folders[0].path.name
        found.append(ReportSystem(name=label, runs=folders, index=index))
    return tuple(found)


def select_baseline(systems: Sequence[ReportSystem]) -> ReportSystem | None:
    """Return what the others are compared with: the first baseline, else the first system.

    A baseline is a system whose recipe has that role. None for one system alone.
    """
    if len(systems) < 2:
        return None
    return next((each for each in systems if each.role == "baseline"), systems[0])


def is_single_run(group: Any) -> bool:
    """Whether this is a run or the path of its folder, not several."""
    return isinstance(group, str | os.PathLike) or not isinstance(group, Iterable)


def open_run_files(run: Any) -> RunFiles:
    """Return the files of a path or of a `coterie.train.Run`."""
    return RunFiles(Path(run if isinstance(run, str | os.PathLike) else run.folder))
