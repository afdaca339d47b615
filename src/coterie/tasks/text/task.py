"""`TextTask`: rows, prompt and metric of a task with text answers; and lists of them in YAML."""

import math
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coterie.annotations import abbreviate, format_suggestions
from coterie.data.columns import Columns
from coterie.data.dataset import Dataset, RowError, raise_for_bad_rows
from coterie.data.row_formats.fields import format_value
from coterie.data.sample_check import SampleCheck
from coterie.data.sources.base import RowSource
from coterie.data.sources.opening import is_pattern, open_rows
from coterie.data.splits import check_split_name, get_split_name
from coterie.data.subset import SPLIT_PARTS, spread_indices
from coterie.data.validation import RowReader, ValidatedDataset
from coterie.file_names import (
    check_file_name,
    check_names_differ,
    find_colliding,
    find_unicode_form,
    suggest_file,
)
from coterie.metrics import parse_metric
from coterie.metrics.base import TextMetric
from coterie.metrics.text.exact_match import ExactMatch
from coterie.modalities.base import find_media_modalities
from coterie.serialization import get_init_fields

ALL_SPLITS = "all"
"""The split whose rows are divided into train, validation and test."""
MODALITY_ROWS = 100
"""The rows of a task, spread over all, whose media tell its modalities."""
MAX_ANSWER_TOKENS = 2**17
"""The most tokens of an answer: more than models' contexts leave for it, and hours to generate."""

Rows = str | tuple[str, ...]
"""One path or pattern, or several."""


@dataclass(frozen=True, kw_only=True)
class TextTask:
    """A text task, as in tasks.yaml.

    Attributes:
        name: the task's name in gates, reports and folders.
        rows: a file, folder, pattern or hub id, or several, for each split; val, valid and dev are
            "validation". The split "all" is shared out, four fifths to "train", a tenth each to
            "validation" and "test", by the content of the rows.
        folder: base folder of relative paths in `rows`.
        media_root: base folder, relative to `folder`, of the media that rows name; None for the
            folder of the file with the row.
        media, question, answer, prompt, system: as in `Columns`.
        metric: metric of the predictions.
        max_new_tokens: maximum tokens of an answer.
        weight: factor of the task's share of the samples that are drawn in training, above 0.
    """

    name: str
    rows: Mapping[str, Rows]
    folder: str = "."
    media_root: str | None = None
    media: Mapping[str, str] = field(default_factory=dict)
    question: str = "question"
    answer: str = "answer"
    prompt: str = "{question}"
    system: str | None = None
    metric: TextMetric = field(default_factory=ExactMatch)
    max_new_tokens: int = 32
    weight: int | float = 1.0

    def __post_init__(self) -> None:
        check_file_name(self.name, "name", kind="task")
        object.__setattr__(self, "rows", check_rows(self.rows))
        if self.media_root is not None and not (isinstance(self.media_root, str)):
            raise ValueError(f"media_root = {self.media_root!r}: give a folder")
        if not isinstance(self.metric, TextMetric):
            raise ValueError(f"metric = {self.metric!r}: give a metric, as ExactMatch()")
        longest = self.max_new_tokens
        if type(longest) is not int or not 1 <= longest <= MAX_ANSWER_TOKENS:
            problem = f"give at least 1, and at most {MAX_ANSWER_TOKENS}"
            raise ValueError(f"max_new_tokens = {longest!r}: {problem}")
        if type(self.weight) not in (int, float) or not 0 < self.weight < math.inf:
            raise ValueError(f"weight = {self.weight!r}: give a number above 0")
        self.get_columns()

    def get_columns(self) -> Columns:
        """Return the column names."""
        return Columns(
            media=self.media, question=self.question, answer=self.answer, prompt=self.prompt,
            system=self.system
        )  # fmt: skip

    def get_path(self, split: str) -> Rows:
        """Return the paths, patterns or hub ids of the rows of a split; one alone as text.

        Raises ValueError for a split that the task does not have.
        """
        split = get_split_name(split)
        shared = self.rows.get(ALL_SPLITS) if split in SPLIT_PARTS else None
        given = self.rows.get(split, shared)
        if given is None:
            raise ValueError(
                f"task {self.name!r} has no split {split!r}: it has {', '.join(self.list_splits())}"
            )
        if isinstance(given, str):
            return self.resolve(given)
        return tuple(map(self.resolve, given))

    def list_places(self, split: str) -> tuple[str, ...]:
        """Return what `get_path` returns, also one alone in a tuple."""
        found = self.get_path(split)
        return (found,) if isinstance(found, str) else tuple(found)

    def resolve(self, path: str) -> str:
        """Return a path relative to the current folder; a hub id as it is."""
        if path.startswith("hf:"):
            return path
        # Path.expanduser raises for ~nobody.
        place = os.path.join(os.path.expanduser(self.folder), os.path.expanduser(path))
        return find_unicode_form(place)

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
        rows = self.read_rows(split, check_media=check_media)
        what = self.describe_split(split)
        raise_for_bad_rows(rows, what=what, total=len(rows.source), skip=skip_bad_rows)
        return rows

    def read_rows(
        self, split: str, *, check_media: bool = True, sample_check: SampleCheck | None = None
    ) -> ValidatedDataset:
        """Load the samples of a split as `read_samples`, but list bad rows in any number."""
        split = get_split_name(split)
        shared = split not in self.rows and split in SPLIT_PARTS
        source, reader = self._open_rows(split)
        part = SPLIT_PARTS[split] if shared and not source.is_split else None
        return ValidatedDataset(
            source, reader, check_media=check_media, part=part, sample_check=sample_check
        )

    def _open_rows(self, split: str) -> tuple[RowSource, RowReader]:
        """Open the rows of a split. Raises ValueError if there are none."""
        source = open_rows(self.get_path(split), split=split)
        if not len(source):
            where = f"task {self.name!r}, split {split!r}: {source.name}"
            raise ValueError(f"{where} has no rows: give at least one")
        if self.media_root is not None:
            source.media_root = Path(self.resolve(self.media_root))
        return source, RowReader(
            task=self.name, columns=self.get_columns(), accepts=self.metric.check
        )

    def find_modalities(self) -> tuple[str, ...]:
        """Return the modalities of the training rows' media, sorted; empty for text alone."""
        source, reader = self._open_rows("train")
        found: set[str] = set()
        for index in spread_indices(len(source), MODALITY_ROWS).tolist():
            with suppress(RowError):  # bad rows are reported when all are read
                samples = reader.read_samples(source, index)
                found.update(each.kind for sample in samples for each in sample.get_media())
        return tuple(sorted(found))

    def describe_split(self, split: str) -> str:
        """Return the name of a split for error messages."""
        return f"task {self.name!r}, split {split!r}"

    def describe_missing_test(self) -> str:
        """Return a notice if the task has no rows to evaluate on; else empty."""
        if "test" in self.list_splits():
            return ""
        return (
            f"task {self.name!r} has no test rows, of which `coterie evaluate` would score a run: "
            "give rows: {train: ..., test: ...}, or name another split by --split"
        )

    def check_paths(self) -> None:
        """Raise ValueError for a file or folder of rows or media that does not exist."""
        for split, given in self.rows.items():
            for path in (given,) if isinstance(given, str) else given:
                file = self.resolve(path)
                # os.path.exists is false for what is too long, for which Path's raises.
                if not (file.startswith("hf:") or os.path.exists(file) or is_pattern(Path(file))):
                    key = "rows" if split == ALL_SPLITS else f"rows.{split}"
                    where = f"{key} = {abbreviate(path)}"
                    problem = f"{where}: there is no file or folder {file[:300]}"
                    raise ValueError(f"{problem}{suggest_file(file)}")
        if self.media_root is not None and not os.path.isdir(self.resolve(self.media_root)):
            where = f"media_root = {abbreviate(self.media_root)}"
            folder = self.resolve(self.media_root)
            raise ValueError(f"{where}: there is no folder {folder[:300]}{suggest_file(folder)}")


def check_rows(rows: Mapping[str, Rows]) -> dict[str, Rows]:
    """Return split -> path or paths, by the splits' own names. ValueError for a wrong one."""
    if not isinstance(rows, Mapping) or not rows:
        raise ValueError(f"rows = {rows!r}: give a file or folder for each split")
    found: dict[str, Rows] = {}
    for given, path in rows.items():
        paths = list(path) if isinstance(path, list | tuple) else [path]
        if not (paths and all(isinstance(each, str) and each for each in paths)):
            raise ValueError(f"rows.{given} = {path!r}: give a file, a folder or a hub id")
        check_file_name(given, "rows: split", kind="split")
        try:
            split = check_split_name(str(given))
        except ValueError as error:
            raise ValueError(f"rows.{given}: {error}") from None
        if find_colliding([*found, split]):
            raise ValueError(f"rows.{given}: the split {split} is named twice: keep one")
        found[split] = path if isinstance(path, str) else tuple(paths)
    return found


TASK_KEYS = tuple(
    each.name for each in get_init_fields(TextTask) if each.name not in ("folder", "media")
)
"""Keys of a task in YAML beside those that name the columns of its media, one a modality."""


def parse_text_tasks(items: Any, path: Path, key: str = "tasks") -> tuple[TextTask, ...]:
    """Parse the list of tasks under a key; relative paths in it are relative to the file's folder.

    Raises ValueError, naming the file and the position in it, if anything is wrong.
    """
    where = f"{path}: {key}"
    if not (isinstance(items, list) and items):
        raise ValueError(f"{where} = {format_value(items)}: give a list of at least one task")
    tasks = [parse_task(item, path, f"{where}[{i}]") for i, item in enumerate(items)]
    check_names_differ([task.name for task in tasks], where, kind="task")
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
