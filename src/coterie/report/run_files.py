"""One run's folder, read leniently: what is missing or damaged is told, not raised."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeGuard

RUN_MARKER_FILES = ("recipe.json", "log.jsonl", "scores.json")


@dataclass(frozen=True, kw_only=True)
class MissingData:
    """What the page cannot show: why, and the command that would make it."""

    message: str
    command: str = ""


@dataclass(frozen=True)
class RunFiles:
    """A run's folder; each file is read once, when it is asked for.

    Raises ValueError if there is nothing of a run in it.
    """

    path: Path

    def __post_init__(self) -> None:
        if not any((self.path / name).is_file() for name in RUN_MARKER_FILES):
            raise ValueError(
                f"{self.path} is no run's folder: it has none of {', '.join(RUN_MARKER_FILES)}; give the "
                "folder that `coterie train` wrote"
            )

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """recipe.json as it stands: what the run was made of; empty if it cannot be read."""
        return self.read_mapping("recipe.json")

    @property
    def seed(self) -> Any:
        """The run's seed, None if not known."""
        return self.config.get("seed")

    @property
    def recipe_name(self) -> str:
        """The system's published name, such as "rode"; empty if not known."""
        recipe = self.config.get("recipe")
        return str(recipe.get("name", "")) if isinstance(recipe, Mapping) else ""

    @property
    def is_dense(self) -> bool:
        """Whether the run is on dense tasks, whose recipe names a set in the place of tasks."""
        return bool(self.config.get("pictures"))

    @property
    def task_names(self) -> tuple[str, ...]:
        """The run's tasks: of recipe.json, or where a set of pictures has them, of scores.json."""
        held = self.config.get("tasks")
        named = [task for task in held if isinstance(task, Mapping)] if is_list(held) else []
        if named:
            return tuple(str(task.get("name", "?")) for task in named)
        scored = self.read_mapping("scores.json").get("tasks")
        return tuple(map(str, scored)) if isinstance(scored, Mapping) else ()

    @cached_property
    def log(self) -> tuple[Mapping[str, Any], ...]:
        """The logged steps, in order; a step logged again after a resume counts once."""
        rows = (
            row for row in read_lines(self.path / "log.jsonl") if isinstance(row.get("step"), int)
        )
        by_step = {row["step"]: row for row in rows}
        return tuple(by_step[step] for step in sorted(by_step))

    @cached_property
    def environments(self) -> tuple[Mapping[str, Any], ...]:
        """What the run was trained on, a line a start; empty where it was not noted."""
        return tuple(read_lines(self.path / "made_on.jsonl"))

    def read_mapping(self, name: str) -> Mapping[str, Any]:
        """A JSON file that holds a mapping; empty if it is missing or damaged."""
        return read_mapping(self.path / name)

    def read_predictions(self, split: str, task: str) -> list[Mapping[str, Any]]:
        """The answers given to a task's samples, in the file's order."""
        folder = (self.path / "predictions").resolve()
        at = (folder / split / f"{task}.jsonl").resolve()
        # A task's name comes from a file: it must not lead out of the run.
        return list(read_lines(at)) if at.is_relative_to(folder) else []

    def make_missing(self, what: str, name: str, command: str) -> MissingData:
        """Why there is no `what`; `command` has a place `{}` (or several `{0}`) for this folder."""
        at = self.path / name
        state = "cannot be read" if at.is_file() else "is not there"
        return MissingData(
            message=f"{what}: {name} of {self.path.name} {state}",
            command=command.format(shlex.quote(str(self.path))),
        )


def is_list(value: Any) -> TypeGuard[list[Any]]:
    """Whether a file has a list there."""
    return isinstance(value, list)


def read_mapping(at: Path) -> Mapping[str, Any]:
    """A JSON file's mapping; empty if it is missing, damaged or something else."""
    data = read_json(at)
    return data if isinstance(data, Mapping) else {}


def read_list(at: Path) -> list[Any]:
    """A JSON file's list; empty if it is missing, damaged or something else."""
    data = read_json(at)
    return data if is_list(data) else []


def read_json(at: Path) -> Any:
    """What a JSON file holds; None if it is missing or damaged."""
    try:
        return json.loads(at.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def read_lines(at: Path) -> list[Mapping[str, Any]]:
    """The mappings of a JSON lines file; a line torn by a kill is passed over."""
    found = []
    try:
        text = at.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return found
    for line in text.splitlines():
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, Mapping):
            found.append(row)
    return found
