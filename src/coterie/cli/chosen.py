"""What `--tasks` names: tasks answered in words, or a dense data set; all of it or some."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from coterie import serialization
from coterie.cli import pictured
from coterie.datasets.scenes import Scenes
from coterie.task_file import SCENES, load_yaml, read_tasks
from coterie.tasks import TextTask
from coterie.tasks.dense.vision_config import VisionConfig


def load_task_set(text: str) -> dict[str, Any]:
    """What is learned, by the fields of `Plan` that hold it.

    It is of a file, such as "tasks.yaml", or some of it, such as "tasks.yaml:ocr,naming"; of the
    embedded tasks, "pantry"; or of the embedded dense set, "scenes" and "scenes:depth,normals".

    Raises ValueError for a name that is not there, and for a file that cannot be read.
    """
    word, _, names = text.partition(":")
    if word == SCENES:
        return select_tasks({"tasks": (), "pictures": Scenes()}, names)
    file, colon, names = text.rpartition(":")
    if not colon or Path(text).exists() or not Path(file).is_file():
        file, names = text, ""
    given = load_yaml(Path(file)) if Path(file).is_file() else None
    if isinstance(given, Mapping) and pictured.KEY in given:
        return select_tasks(pictured.load_dense_tasks(given, Path(file)), names)
    return {"tasks": load_text_tasks(text), "pictures": None, "vision": VisionConfig()}


def select_tasks(dense: dict[str, Any], names: str) -> dict[str, Any]:
    """The same with some tasks of the dense set; with all, if none is named."""
    if not names:
        return dense
    return dense | {"pictures": replace(dense["pictures"], names=tuple(names.split(",")))}


def load_text_tasks(text: str) -> tuple[TextTask, ...]:
    """The tasks of "tasks.yaml", or those named in "tasks.yaml:ocr,naming".

    What `read_tasks` takes, "pantry" and "pantry:ocr,naming", is taken too.

    Raises ValueError for a name that is not there, and for a dense data set.
    """
    file, colon, names = text.rpartition(":")
    if not colon or Path(text).exists() or not Path(file).is_file():
        return read_tasks(text)
    tasks = {task.name: task for task in read_tasks(file)}
    for name in names.split(","):
        if name not in tasks:
            raise ValueError(
                f"{file} has no task {name!r}{serialization.format_suggestions(name, tasks)}; it has {', '.join(tasks)}"
            )
    return tuple(tasks[name] for name in names.split(","))
