"""What `--tasks` names: tasks answered in words, or a dense data set; all of it or some."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from coterie import spec
from coterie.cli import pictured
from coterie.dense.sets.scenes import Scenes
from coterie.dense.vision import Vision
from coterie.tasks import Task, read_tasks
from coterie.tasks.listed import SCENES, loaded


def chosen(text: str) -> dict[str, Any]:
    """What is learned, by the fields of `Plan` that hold it.

    It is of a file, such as "tasks.yaml", or some of it, such as "tasks.yaml:ocr,naming"; of the
    embedded tasks, "pantry"; or of the embedded dense set, "scenes" and "scenes:depth,normals".

    Raises ValueError for a name that is not there, and for a file that cannot be read.
    """
    word, _, names = text.partition(":")
    if word == SCENES:
        return some({"tasks": (), "pictures": Scenes()}, names)
    file, colon, names = text.rpartition(":")
    if not colon or Path(text).exists() or not Path(file).is_file():
        file, names = text, ""
    given = loaded(Path(file)) if Path(file).is_file() else None
    if isinstance(given, Mapping) and pictured.KEY in given:
        return some(pictured.read(given, Path(file)), names)
    return {"tasks": words(text), "pictures": None, "vision": Vision()}


def some(dense: dict[str, Any], names: str) -> dict[str, Any]:
    """The same with some tasks of the dense set; with all, if none is named."""
    if not names:
        return dense
    return dense | {"pictures": replace(dense["pictures"], names=tuple(names.split(",")))}


def words(text: str) -> tuple[Task, ...]:
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
                f"{file} has no task {name!r}{spec.near(name, tasks)}; it has {', '.join(tasks)}"
            )
    return tuple(tasks[name] for name in names.split(","))
