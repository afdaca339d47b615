"""The tasks that `--tasks` names: all of a file's, or some of them."""

from pathlib import Path

from coterie import spec
from coterie.tasks import Task, read_tasks


def chosen(text: str) -> tuple[Task, ...]:
    """The tasks of "tasks.yaml", or those named in "tasks.yaml:ocr,naming".

    What `read_tasks` takes, "pantry" and "pantry:ocr,naming", is taken too.

    Raises ValueError for a name that is not there.
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
