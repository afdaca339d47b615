"""`RunFiles`: a run's folder as the report reads it: missing and damaged files raise nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from coterie.train.config import RunConfig
from coterie.train.run_directory import MissingFile, RunDirectory


@dataclass(frozen=True)
class RunFiles:
    """A run's folder; each file is read once, when it is first needed.

    Raises ValueError if the folder has no file of a run.
    """

    path: Path

    def __post_init__(self) -> None:
        self.directory.check()

    @property
    def directory(self) -> RunDirectory:
        """The names and formats of the files."""
        return RunDirectory(self.path)

    @cached_property
    def raw_config(self) -> Mapping[str, Any]:
        """The configuration as its file holds it; empty if it cannot be read."""
        return self.directory.try_read_mapping(self.directory.config_file)

    @cached_property
    def config(self) -> RunConfig | None:
        """The configuration; None if it cannot be loaded."""
        try:
            return RunConfig.read(self.directory.config_file)
        except ValueError:
            return None

    @property
    def seed(self) -> Any:
        """The run's seed; None if not known."""
        return self.raw_config.get("seed")

    @property
    def recipe(self) -> Mapping[str, Any]:
        """The recipe as the configuration holds it; empty if not known."""
        found = self.raw_config.get("recipe")
        return found if isinstance(found, Mapping) else {}

    @property
    def recipe_name(self) -> str:
        """The recipe's name, such as "rode"; empty if not known."""
        return str(self.recipe.get("name", ""))

    @property
    def role(self) -> str:
        """The recipe's role, "method" or "baseline"; empty if not known."""
        return str(self.recipe.get("role", ""))

    @cached_property
    def task_names(self) -> tuple[str, ...]:
        """The tasks of the configuration; those that were scored if it cannot be loaded."""
        return tuple(self.score_entries) if self.config is None else self.config.task_names

    @cached_property
    def scores(self) -> Mapping[str, Any]:
        """The scores file of the last evaluation; empty if it cannot be read."""
        return self.directory.try_read_mapping(self.directory.scores_file())

    @property
    def score_entries(self) -> dict[str, Mapping[str, Any]]:
        """Task -> its entry in the scores file."""
        found = self.scores.get("tasks")
        found = found if isinstance(found, Mapping) else {}
        return {str(task): each for task, each in found.items() if isinstance(each, Mapping)}

    @property
    def split(self) -> str:
        """The split of the last evaluation."""
        return Path(str(self.scores.get("split", "test"))).name or "test"

    @cached_property
    def log(self) -> tuple[Mapping[str, Any], ...]:
        """The records of the log by step; a step that was logged again after a resume is once."""
        rows = (row for row in self.directory.read_log() if isinstance(row.get("step"), int))
        by_step = {row["step"]: row for row in rows}
        return tuple(by_step[step] for step in sorted(by_step))

    @cached_property
    def has_text_predictions(self) -> bool:
        """Whether rows of predictions hold text; True if there are no predictions yet."""
        for task in self.score_entries:
            if rows := self.read_predictions(task):
                return "prediction" in rows[0]
        return True

    def read_predictions(self, task: str) -> list[dict[str, Any]]:
        """Read the rows of a task's predictions, in the order of the file."""
        return self.directory.try_read_predictions(self.split, task)

    def explain(self, file: Path, what: str) -> MissingFile:
        """Say why there is no `what`: which file is missing or damaged, and what writes it."""
        return self.directory.explain(file, what)
