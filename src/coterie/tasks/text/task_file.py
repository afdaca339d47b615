"""The `tasks` of a tasks.yaml file as `TextTask`s, with a one-line error for each mistake."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coterie import metrics
from coterie.modalities.base import find_media_modalities
from coterie.serialization import format_suggestions, get_init_fields
from coterie.tasks.text.task import ALL_SPLITS, TextTask

TASK_KEYS = tuple(
    field.name for field in get_init_fields(TextTask) if field.name not in ("folder", "media")
)
"""Keys of a task beside those that name the columns of its media, one a modality."""


def parse_text_tasks(items: Any, path: Path) -> tuple[TextTask, ...]:
    """Parse a list of tasks.

    Args:
        items: the value of the key `tasks`.
        path: the file; relative paths in it are relative to its folder.

    Raises ValueError, naming the file and the position in it, if anything is wrong.
    """
    if not (isinstance(items, list) and items):
        raise ValueError(f"{path}: tasks = {items!r}: give a list of at least one task")
    tasks = [parse_task(item, path, f"{path}: tasks[{i}]") for i, item in enumerate(items)]
    for i, task in enumerate(tasks):
        first = next(j for j, other in enumerate(tasks) if other.name == task.name)
        if first < i:
            raise ValueError(
                f"{path}: tasks[{i}].name = {task.name!r}: tasks[{first}] has the same name; give "
                "each task a name of its own"
            )
    return tuple(tasks)


def parse_task(item: Any, path: Path, where: str) -> TextTask:
    """Parse one item of the list."""
    check_keys(item, where)
    fields = dict(item)
    if isinstance(fields["rows"], str):
        fields["rows"] = {ALL_SPLITS: fields["rows"]}
    fields["media"] = {name: fields.pop(name) for name in find_media_modalities() if name in fields}
    try:
        if "metric" in fields:
            fields["metric"] = parse_metric_item(fields["metric"])
        task = TextTask(**fields, folder=str(path.resolve().parent))
        check_paths(task)
    except ValueError as error:
        raise ValueError(f"{where}.{error}") from None
    return task


def check_keys(item: Any, where: str) -> None:
    """Raise ValueError unless an item has all required keys and no unknown ones."""
    if not isinstance(item, Mapping):
        raise ValueError(f"{where} = {item!r}: give name, rows and so on, each as key: value")
    allowed = (*TASK_KEYS, *find_media_modalities())
    for key in item:
        if key not in allowed:
            raise ValueError(
                f"{where}.{key}: there is no such key{format_suggestions(str(key), allowed)}; "
                f"there are {', '.join(allowed)}"
            )
    for key in ("name", "rows"):
        if key not in item:
            raise ValueError(f"{where}.{key} is missing: each task needs name and rows")


def parse_metric_item(item: Any) -> metrics.AnswerMetric:
    """Parse the metric of an item: a name, or a mapping of its name and fields."""
    if not isinstance(item, str | Mapping):
        raise ValueError(f"metric = {item!r}: give a name, or a name and its fields")
    try:
        return metrics.parse_metric(item)
    except (TypeError, ValueError) as error:
        raise ValueError(f"metric = {item!r}: {error}") from None


def check_paths(task: TextTask) -> None:
    """Raise ValueError if the rows of a split do not exist."""
    for split, rows in task.rows.items():
        path = task.get_path(split)
        if not path.startswith("hf:") and not Path(path).exists():
            raise ValueError(f"rows.{split} = {rows!r}: there is no file or folder {path}")
