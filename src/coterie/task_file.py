"""`read_tasks`: read the task set of a tasks.yaml file, or of an installed package.

Such a file may come from anyone: it is read with the safe loader, and within limits.
"""

import os
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from coterie import datasets, serialization, tasks
from coterie.annotations import format_suggestions
from coterie.io import read_regular_file
from coterie.optional_imports import import_optional
from coterie.plugins import OPTIONAL_NAMES, TASKS, find_plugin, list_plugins
from coterie.tasks import TextTask, as_task_set
from coterie.tasks.dense.dataset import DenseDataset
from coterie.tasks.dense.task_file import list_dataset_kinds
from coterie.tasks.task_set import TaskSet

MAX_BYTES = 2**18
"""The largest YAML file, 256 KiB: PyYAML takes seconds for it, and a thousand tasks are smaller."""
MAX_DEPTH = 50
"""The most mappings and lists within each other; PyYAML calls itself for each."""
MAX_VALUES = 100_000
"""The most values once aliases are followed: a few lines of them may stand for billions."""


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


def load_yaml(path: Path) -> Any:
    """Read a YAML file with the safe loader, which runs no code.

    Raises ValueError, in one line with the file's name, if it cannot be read, is not UTF-8 or not
    YAML, has a duplicate key, or is beyond one of the limits of this file.
    """
    yaml = import_optional("yaml", "data")
    try:
        text = read_regular_file(path, MAX_BYTES).decode("utf-8-sig")
        check_depth(path, yaml.parse(text, Loader=yaml.SafeLoader))
        loader = make_yaml_loader(yaml)(text)
        try:
            node = loader.get_single_node()
            check_values(path, node)
            return None if node is None else construct(path, loader, node)
        finally:
            loader.dispose()
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8: byte {error.start} is wrong") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not YAML: {' '.join(str(error).split())[:500]}") from None


def construct(path: Path, loader: Any, node: Any) -> Any:
    """Return the values of a parsed file. Raises ValueError for those that Python does not have."""
    try:
        return loader.construct_document(node)
    except (TypeError, ValueError, OverflowError) as error:  # such as the 99th of a month
        raise ValueError(f"{path} has a value that cannot be read: {error}") from None


def check_depth(path: Path, events: Iterable[Any]) -> None:
    """Raise ValueError for a file that is nested deeper than MAX_DEPTH."""
    depth = 0
    for event in events:
        depth += {"MappingStart": 1, "SequenceStart": 1, "MappingEnd": -1, "SequenceEnd": -1}.get(
            type(event).__name__.removesuffix("Event"), 0
        )
        if depth > MAX_DEPTH:
            raise ValueError(f"{path} is nested more than {MAX_DEPTH} deep")


def check_values(path: Path, node: Any) -> None:
    """Raise ValueError for more than MAX_VALUES values, those of aliases each time they are used.

    Also for an alias within what it stands for.
    """
    counts: dict[int, int] = {}
    open_nodes: set[int] = set()

    def count(node: Any) -> int:
        if id(node) in open_nodes:
            raise ValueError(f"{path} has an alias within what it stands for: write it out")
        if id(node) not in counts:
            open_nodes.add(id(node))
            inner = node.value if isinstance(node.value, list) else []
            pairs = [each if isinstance(each, tuple) else (each,) for each in inner]
            counts[id(node)] = 1 + sum(count(each) for pair in pairs for each in pair)
            open_nodes.discard(id(node))
        return counts[id(node)]

    if node is not None and (found := count(node)) > MAX_VALUES:
        raise ValueError(f"{path} has {found} values, with its aliases: at most {MAX_VALUES}")


def make_yaml_loader(yaml: ModuleType) -> type:
    """Return a subclass of PyYAML's safe loader that refuses duplicate keys."""

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            seen: set[Any] = set()
            for key_node, _ in node.value:
                if key_node.tag == "tag:yaml.org,2002:merge":  # <<: *alias
                    continue
                key = self.construct_object(key_node, deep=True)
                if isinstance(key, Hashable) and key in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key!r} comes twice", key_node.start_mark
                    )
                seen.update([key] if isinstance(key, Hashable) else [])
            return super().construct_mapping(node, deep)

    return Loader
