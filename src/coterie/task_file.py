"""`read_tasks`: read the task set of a tasks.yaml file, or of an installed package."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from coterie import datasets, serialization, tasks
from coterie.annotations import format_suggestions
from coterie.plugins import OPTIONAL_NAMES, TASKS, find_plugin, list_plugins
from coterie.tasks import TextTask, as_task_set
from coterie.tasks.dense.dataset import DenseDataset
from coterie.tasks.dense.task_file import list_dataset_kinds
from coterie.tasks.task_set import TaskSet
from coterie.yaml_files import load_yaml


def read_tasks(path: str | Path) -> TaskSet:
    """Read the tasks of a tasks.yaml file.

    The file's keys say of which kind its tasks are: `tasks` has a list of text tasks, `pictures`
    a dense data set, which may come with `vision`. Any other kind of `TaskSet` that is imported
    is found by its `yaml_key`.

    Args:
        path: the file; or the name of tasks that an installed package provides (see
            `coterie.plugins`), such as "pantry" and "scenes" of coterie-demo. After a colon some
            of the tasks alone, such as "tasks.yaml:ocr,naming".

    Raises ValueError, naming the file and the key in it, if anything is wrong.
    """
    source, names = split_task_names(os.path.expanduser(path))
    # A plugin raises ValueError, with what to run or to install, if its tasks are not there yet.
    plugin = find_plugin(TASKS, source)
    provided = plugin.load()() if plugin else Path(source)
    try:
        task_set = provided if isinstance(provided, TaskSet) else read_task_file(provided)
    except ValueError as error:
        if source not in OPTIONAL_NAMES[TASKS]:
            raise
        advice = f"if another version made these files, run `coterie fetch {source}`"
        raise ValueError(f"{error}; {advice}") from None
    if not names:
        return task_set
    try:
        return task_set.select(names)
    except ValueError as error:
        advice = ""
        if source in OPTIONAL_NAMES[TASKS]:
            advice = f"; `coterie fetch {source}` builds what is missing"
        raise ValueError(f"{source}: {error}{advice}") from None


def find_tasks(
    tasks: TaskSet | TextTask | Sequence[TextTask] | DenseDataset | str | Path,
) -> TaskSet:
    """Return a task set from whatever a function takes for tasks; a path is read."""
    return read_tasks(tasks) if isinstance(tasks, str | Path) else as_task_set(tasks)


def split_task_names(text: str) -> tuple[str, tuple[str, ...]]:
    """Split "tasks.yaml:ocr,naming" into source and task names; no names if the text has none."""
    source, colon, names = text.rpartition(":")
    if not colon or Path(text).exists():
        return text, ()
    if find_plugin(TASKS, source) or Path(source).is_file():
        return source, tuple(names.split(","))
    return text, ()


def read_task_file(path: Path) -> TaskSet:
    kinds = find_task_set_kinds()
    find_dataset_kinds()
    items = load_yaml(path)
    keys = list(map(str, items)) if isinstance(items, Mapping) else []
    # A file that mixes two kinds is read as the first of them, which rejects the other's key.
    for key, kind in kinds.items():
        if key in keys:
            return kind.from_yaml(items, path)
    allowed = " or ".join(f"`{key}` ({kind.__name__})" for key, kind in kinds.items())
    near = "".join(format_suggestions(key, kinds) for key in keys)
    raise ValueError(
        f"{path}: its keys are {', '.join(keys) or 'none'}{near}: give {allowed}, which says of "
        "what kind the tasks are"
    )


def find_task_set_kinds() -> dict[str, type[TaskSet]]:
    """Find the kinds of `TaskSet` that a file may have: YAML key -> kind.

    The modules of coterie.tasks are imported; kinds of other packages are found if they are.
    """
    serialization.find_kinds(tasks, TaskSet)
    kinds = serialization.list_imported_kinds(TaskSet)
    return {kind.yaml_key: kind for kind in kinds if kind.yaml_key}


def find_dataset_kinds() -> dict[str, type[DenseDataset]]:
    """Import the kinds of dense data set of coterie and of installed packages: name -> kind."""
    serialization.find_kinds(datasets, DenseDataset)
    for plugin in list_plugins(TASKS):
        plugin.load()
    return list_dataset_kinds()
