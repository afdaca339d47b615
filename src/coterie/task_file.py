"""tasks.yaml to tasks, with one clear line for each mistake."""

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from coterie import metrics
from coterie.optional_imports import import_optional
from coterie.plugins import TASKS, find_plugin, list_plugins
from coterie.serialization import format_suggestions, get_init_fields
from coterie.tasks.text.task import ALL_SPLITS, TextTask

SCENES = "scenes"
DENSE_KEYS = {"pictures", "vision"}
"""Keys of a file that names a dense data set, which `coterie train` reads."""
TASK_KEYS = tuple(field.name for field in get_init_fields(TextTask) if field.name != "folder")


def read_tasks(path: str | Path) -> tuple[TextTask, ...]:
    """The tasks of a tasks.yaml file.

    Args:
        path: the file; or the name of a file that an installed package provides (see
            `coterie.plugins`), such as "pantry" of coterie-demo, or some of its tasks,
            "pantry:naming,ocr".

    Raises ValueError, naming the file and the place in it, if anything is wrong.
    """
    word, _, chosen = str(path).partition(":")
    if word == SCENES and not Path(path).exists():
        raise ValueError(f"{path}: this takes tasks that are answered in words, no dense data set")
    plugin = find_plugin(TASKS, word)
    if plugin is None:
        return parse_task_list(Path(path))
    tasks = {task.name: task for task in parse_task_list(plugin.load()())}
    names = chosen.split(",") if chosen else list(tasks)
    for name in names:
        if name not in tasks:
            raise ValueError(
                f"{path}: {word} has no task {name!r}{format_suggestions(name, tasks)}; "
                f"it has {', '.join(tasks)}"
            )
    return tuple(tasks[name] for name in names)


def parse_task_list(path: Path) -> tuple[TextTask, ...]:
    """The tasks of a file."""
    given = load_yaml(path)
    if not isinstance(given, Mapping) or set(given) != {"tasks"}:
        dense = isinstance(given, Mapping) and DENSE_KEYS & set(given)
        raise ValueError(
            f"{path}: give one key, `tasks`, with a list of tasks under it"
            + ("; `pictures` and `vision` are of a dense data set, with no `tasks`" * bool(dense))
        )
    items = given["tasks"]
    if not (isinstance(items, list) and items):
        raise ValueError(f"{path}: tasks = {items!r}: give a list of at least one task")
    tasks = [parse_task(item, path, f"{path}: tasks[{i}]") for i, item in enumerate(items)]
    for i, task in enumerate(tasks):
        first = next(j for j, other in enumerate(tasks) if other.name == task.name)
        if first < i:
            raise ValueError(
                f"{path}: tasks[{i}].name = {task.name!r}: tasks[{first}] is called so, too"
            )
    return tuple(tasks)


def parse_task(item: Any, path: Path, where: str) -> TextTask:
    """One item of the list as a task."""
    check_keys(item, where)
    given = dict(item)
    if isinstance(given["rows"], str):
        given["rows"] = {ALL_SPLITS: given["rows"]}
    try:
        if "metric" in given:
            given["metric"] = parse_metric_item(given["metric"])
        task = TextTask(**given, folder=str(path.resolve().parent))
        check_paths(task)
    except ValueError as error:
        raise ValueError(f"{where}.{error}") from None
    return task


def check_keys(item: Any, where: str) -> None:
    """ValueError unless an item of the list has the keys that it must have, and none unknown."""
    if not isinstance(item, Mapping):
        raise ValueError(f"{where} = {item!r}: give name, rows and so on, each as key: value")
    for key in item:
        if key not in TASK_KEYS:
            raise ValueError(
                f"{where}.{key}: there is no such key{format_suggestions(str(key), TASK_KEYS)}; "
                f"there are {', '.join(TASK_KEYS)}"
            )
    for key in ("name", "rows"):
        if key not in item:
            raise ValueError(f"{where}.{key} is missing: each task needs name and rows")


def parse_metric_item(given: Any) -> metrics.AnswerMetric:
    """The metric that an item names."""
    if not isinstance(given, str | Mapping):
        raise ValueError(f"metric = {given!r}: give a name, or a name and its fields")
    try:
        return metrics.parse_metric(given)
    except (TypeError, ValueError) as error:
        raise ValueError(f"metric = {given!r}: {error}") from None


def check_paths(task: TextTask) -> None:
    """ValueError if a split's rows are not there."""
    for split, given in task.rows.items():
        path = task.get_path(split)
        if not path.startswith("hf:") and not Path(path).exists():
            raise ValueError(f"rows.{split} = {given!r}: there is no file or folder {path}")


def load_yaml(path: Path) -> Any:
    """What is in a YAML file, without what YAML can run."""
    yaml = import_optional("yaml", "data")
    try:
        return yaml.load(path.read_text(encoding="utf-8-sig"), Loader=make_yaml_loader(yaml))
    except OSError as error:
        names = ", ".join(each.name for each in list_plugins(TASKS))
        known = f"; tasks are also provided under the names {names}" if names else ""
        raise ValueError(f"{path} cannot be read: {error.strerror}{known}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8: byte {error.start} is wrong") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not YAML: {' '.join(str(error).split())}") from None


def make_yaml_loader(yaml: ModuleType) -> type:
    """PyYAML's safe loader, which also refuses keys that come twice."""

    class Loader(yaml.SafeLoader):
        pass

    def mapping(self: Any, node: Any) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for i, key in enumerate(keys):
            if key in keys[:i]:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} comes twice", node.value[i][0].start_mark
                )
        return self.construct_mapping(node, deep=True)

    Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    return Loader
