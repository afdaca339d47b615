"""Parsing of the list `tasks` of a tasks.yaml file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coterie.annotations import format_suggestions
from coterie.data.row_formats.fields import format_value
from coterie.file_names import check_names_differ
from coterie.metrics import parse_metric
from coterie.modalities.base import find_media_modalities
from coterie.serialization import get_init_fields
from coterie.tasks.text.task import ALL_SPLITS, TextTask

TASK_KEYS = tuple(
    each.name for each in get_init_fields(TextTask) if each.name not in ("folder", "media")
)
"""Keys of a task in YAML beside those that name the columns of its media, one a modality."""


def parse_text_tasks(items: Any, path: Path) -> tuple[TextTask, ...]:
    """Parse a list of tasks; relative paths in them are relative to the folder of their file.

    Raises ValueError, naming the file and the position in it, if anything is wrong.
    """
    if not (isinstance(items, list) and items):
        raise ValueError(f"{path}: tasks = {format_value(items)}: give a list of at least one task")
    tasks = [parse_task(item, path, f"{path}: tasks[{i}]") for i, item in enumerate(items)]
    check_names_differ([task.name for task in tasks], f"{path}: tasks", kind="task")
    return tuple(tasks)


def parse_task(item: Any, path: Path, where: str) -> TextTask:
    """Parse one item of the list."""
    check_keys(item, where)
    fields = dict(item)
    if isinstance(fields["rows"], str | list):
        fields["rows"] = {ALL_SPLITS: fields["rows"]}
    fields["media"] = {name: fields.pop(name) for name in find_media_modalities() if name in fields}
    try:
        if "metric" in fields:
            metric = fields["metric"]
            if not isinstance(metric, str | Mapping):
                given = format_value(metric)
                raise ValueError(f"metric = {given}: give a name, or a name and its fields")
            try:
                fields["metric"] = parse_metric(metric)
            except (TypeError, ValueError) as error:
                raise ValueError(f"metric = {format_value(metric)}: {error}") from None
        task = TextTask(**fields, folder=str(path.resolve().parent))
        task.check_paths()
    except ValueError as error:
        raise ValueError(f"{where}.{error}") from None
    return task


def check_keys(item: Any, where: str) -> None:
    """Raise ValueError unless an item has all required keys and no unknown ones."""
    if not isinstance(item, Mapping):
        given = format_value(item)
        raise ValueError(f"{where} = {given}: give name, rows and so on, each as key: value")
    allowed = (*TASK_KEYS, *find_media_modalities())
    for key in item:
        if key not in allowed:
            raise ValueError(
                f"{where}.{format_value(key) if not isinstance(key, str) else key[:60]}: there is "
                f"no such key{format_suggestions(str(key)[:60], allowed)}; there are "
                f"{', '.join(allowed)}"
            )
    for key in ("name", "rows"):
        if key not in item:
            raise ValueError(f"{where}.{key} is missing: each task needs name and rows")
