"""`TextTask`: rows, prompt and metric of a task with text answers, and those of a tasks.yaml."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coterie.data.columns import Columns
from coterie.data.dataset import Dataset
from coterie.data.sources import open_rows
from coterie.data.subset import SPLIT_PARTS
from coterie.data.validation import RowReader, ValidatedDataset, raise_for_bad_rows
from coterie.file_names import check_file_name
from coterie.metrics import parse_metric
from coterie.metrics.base import TextMetric
from coterie.metrics.text.exact_match import ExactMatch
from coterie.modalities.base import find_media_modalities
from coterie.serialization import format_suggestions, get_init_fields

ALL_SPLITS = "all"
"""The split whose rows are divided into train, validation and test."""


@dataclass(frozen=True, kw_only=True)
class TextTask:
    """A text task, as in tasks.yaml.

    Attributes:
        name: the task's name in gates, reports and folders.
        rows: a file, folder or hub id for each split. The split "all" is shared out, four fifths
            to "train", a tenth each to "validation" and "test", by the content of the rows.
        folder: base folder of relative paths in `rows`.
        media, question, answer, prompt: as in `Columns`.
        metric: metric of the predictions.
        max_new_tokens: maximum tokens of an answer.
    """

    name: str
    rows: Mapping[str, str]
    folder: str = "."
    media: Mapping[str, str] = field(default_factory=dict)
    question: str = "question"
    answer: str = "answer"
    prompt: str = "{question}"
    metric: TextMetric = field(default_factory=ExactMatch)
    max_new_tokens: int = 32

    def __post_init__(self) -> None:
        check_file_name(self.name, "name", kind="task")
        if not isinstance(self.rows, Mapping) or not self.rows:
            raise ValueError(f"rows = {self.rows!r}: give a file or folder for each split")
        for split, path in self.rows.items():
            check_file_name(split, "rows: split", kind="split")
            if not (isinstance(split, str) and isinstance(path, str) and path):
                raise ValueError(f"rows.{split} = {path!r}: give a file, a folder or a hub id")
        if not isinstance(self.metric, TextMetric):
            raise ValueError(f"metric = {self.metric!r}: give a metric, as ExactMatch()")
        if type(self.max_new_tokens) is not int or self.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens = {self.max_new_tokens!r}: give at least 1")
        self.get_columns()

    def get_columns(self) -> Columns:
        """Return the column names."""
        return Columns(
            media=self.media, question=self.question, answer=self.answer, prompt=self.prompt
        )

    def get_path(self, split: str) -> str:
        """Return the path or hub id of the rows of a split. Raises ValueError for other splits."""
        shared = self.rows.get(ALL_SPLITS) if split in SPLIT_PARTS else None
        given = self.rows.get(split, shared)
        if given is None:
            raise ValueError(
                f"task {self.name!r} has no split {split!r}: it has {', '.join(self.list_splits())}"
            )
        return given if given.startswith("hf:") else str(Path(self.folder, given).expanduser())

    def list_splits(self) -> tuple[str, ...]:
        """List the task's splits."""
        parts = SPLIT_PARTS if ALL_SPLITS in self.rows else ()
        return tuple(dict.fromkeys([*filter(ALL_SPLITS.__ne__, self.rows), *parts]))

    def read_samples(
        self, split: str, *, skip_bad_rows: bool = False, check_media: bool = True
    ) -> Dataset:
        """Load the samples of a split, after reading every row once.

        Bad rows are skipped, and listed in `bad_rows` of the result, if `skip_bad_rows`. Every
        image and audio file is decoded once if `check_media`; else damaged ones raise on access.

        Raises ValueError with the number of bad rows and the first 20, or if no valid row is left.
        """
        shared = split not in self.rows and split in SPLIT_PARTS
        source = open_rows(self.get_path(split), split=split)
        reader = RowReader(task=self.name, columns=self.get_columns(), accepts=self.metric.check)
        part = SPLIT_PARTS[split] if shared and not source.is_split else None
        rows = ValidatedDataset(source, reader, check_media=check_media, part=part)
        what = f"task {self.name!r}, split {split!r}"
        raise_for_bad_rows(rows, what=what, total=len(source), skip=skip_bad_rows)
        return rows


TASK_KEYS = tuple(
    each.name for each in get_init_fields(TextTask) if each.name not in ("folder", "media")
)
"""Keys of a task in YAML beside those that name the columns of its media, one a modality."""


def parse_text_tasks(items: Any, path: Path) -> tuple[TextTask, ...]:
    """Parse a list of tasks; relative paths in them are relative to the folder of their file.

    Raises ValueError, naming the file and the position in it, if anything is wrong.
    """
    if not (isinstance(items, list) and items):
        raise ValueError(f"{path}: tasks = {items!r}: give a list of at least one task")
    tasks = [parse_task(item, path, f"{path}: tasks[{i}]") for i, item in enumerate(items)]
    names = [task.name for task in tasks]
    for i, name in enumerate(names):
        if names.index(name) < i:
            raise ValueError(
                f"{path}: tasks[{i}].name = {name!r}: tasks[{names.index(name)}] has the same "
                "name; give each task a name of its own"
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
            metric = fields["metric"]
            if not isinstance(metric, str | Mapping):
                raise ValueError(f"metric = {metric!r}: give a name, or a name and its fields")
            try:
                fields["metric"] = parse_metric(metric)
            except (TypeError, ValueError) as error:
                raise ValueError(f"metric = {metric!r}: {error}") from None
        task = TextTask(**fields, folder=str(path.resolve().parent))
        for split, rows in task.rows.items():
            file = task.get_path(split)
            if not file.startswith("hf:") and not Path(file).exists():
                raise ValueError(f"rows.{split} = {rows!r}: there is no file or folder {file}")
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
