"""Systems of a report: a name, and the runs (seeds, or one run for each task) of each.

Missing and damaged files of a run raise nothing.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from coterie.evaluate.scores import Scores
from coterie.train.config import RunConfig
from coterie.train.finished_stages import read_finished_stages
from coterie.train.run_directory import RunDirectory

MAX_SYSTEMS = 12


@dataclass(frozen=True)
class RunFiles:
    """A run's folder; each file is read once, when it is first needed.

    `given_config` is that of a run whose rows have moved; None for that of the folder.

    Raises ValueError if the folder has no file of a run.
    """

    directory: RunDirectory
    given_config: RunConfig | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        self.directory.check()

    @cached_property
    def raw_config(self) -> Mapping[str, Any]:
        """The configuration as its file holds it; empty if it cannot be read."""
        return self.directory.try_read_mapping(self.directory.config_file)

    @cached_property
    def config(self) -> RunConfig | None:
        """The configuration; None if it cannot be loaded."""
        if self.given_config is not None:
            return self.given_config
        try:
            return RunConfig.read(self.directory.config_file)
        except ValueError:
            return None

    @property
    def recipe(self) -> Mapping[str, Any]:
        """The recipe as the configuration holds it; empty if not known."""
        found = self.raw_config.get("recipe")
        return found if isinstance(found, Mapping) else {}

    @cached_property
    def task_names(self) -> tuple[str, ...]:
        """The tasks of the configuration; those that were scored if it cannot be loaded."""
        return tuple(self.metrics) if self.config is None else self.config.task_names

    @property
    def split(self) -> str:
        """The split of the last evaluation."""
        # The name comes from a file: it must not lead out of the folder.
        return Path(str(self.scores.split)).name or "test"

    @property
    def metrics(self) -> Mapping[str, str]:
        """Task -> its metric, as the scores file writes it; empty if it cannot be read."""
        return {task: each.metric for task, each in self.scores.tasks.items()}

    @cached_property
    def scores(self) -> Scores:
        """The scores of the last evaluation; none if their file is missing or damaged."""
        try:
            return Scores.read(self.directory.scores_file())
        except ValueError:
            return Scores(split="test")

    @cached_property
    def num_steps(self) -> int:
        """The optimizer steps that were trained; up to the log's last record if more is unknown."""
        last = self.log[-1]["step"] if self.log else 0
        return max(last, sum(each.steps for each in read_finished_stages(self.directory)))

    @cached_property
    def log(self) -> tuple[Mapping[str, Any], ...]:
        """The records of the log by step; a step that was logged again after a resume is once."""
        rows = (row for row in self.directory.read_log() if isinstance(row.get("step"), int))
        by_step = {row["step"]: row for row in rows}
        return tuple(by_step[step] for step in sorted(by_step))

    @cached_property
    def has_text_predictions(self) -> bool:
        """Whether rows of predictions hold text; True if there are no predictions yet."""
        for task in self.metrics:
            if rows := self.read_predictions(task):
                return "prediction" in rows[0]
        return True

    def read_predictions(self, task: str) -> list[dict[str, Any]]:
        """Read the rows of a task's predictions, in the order of the file."""
        return self.directory.try_read_predictions(self.split, task)


@dataclass(frozen=True, kw_only=True)
class ReportSystem:
    """One way to train; `index` selects its colour and its marker in every chart."""

    name: str
    runs: tuple[RunFiles, ...]
    index: int

    @property
    def role(self) -> str:
        """The role of its recipe, "method" or "baseline"; "method" if no run has a recipe."""
        roles = (str(run.recipe.get("role", "")) for run in self.runs)
        return next(filter(None, roles), "method")

    @property
    def is_single_task(self) -> bool:
        """Whether it has a model for each of several tasks."""
        names = {name for run in self.runs for name in run.task_names}
        return len(names) > 1 and self.has_single_task_runs

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
        seeds = (run.raw_config.get("seed") for run in self.runs)
        return list(dict.fromkeys(seed for seed in seeds if seed is not None))

    def find_run(self, task: str) -> RunFiles:
        """Return the first run that was scored on a task, else the first."""
        return next((run for run in self.runs if task in run.metrics), self.runs[0])


def group_systems(runs: Any) -> tuple[ReportSystem, ...]:
    """Return the systems of a run, or of a mapping from names to one run or more.

    A run is a `coterie.train.Run` or the path of its folder.

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
        is_single = isinstance(group, str | os.PathLike) or not isinstance(group, Iterable)
        listed: Any = [group] if is_single else group
        files = tuple(map(_open_files, listed))
        if not files:
            raise ValueError(f"system {name!r} has no runs: give at least one run's folder")
        label = str(name) or str(files[0].recipe.get("name", "")) or files[0].directory.folder.name
        found.append(ReportSystem(name=label, runs=files, index=index))
    return tuple(found)


def _open_files(run: Any) -> RunFiles:
    if isinstance(run, str | os.PathLike):
        return RunFiles(RunDirectory(Path(run)))
    return RunFiles(run.results, run.config)
