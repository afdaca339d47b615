"""`TextTask`: rows, prompt and metric of a task with text answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from coterie.data.columns import Columns
from coterie.data.dataset import Dataset
from coterie.data.sources import open_rows
from coterie.data.subset import SPLIT_PARTS
from coterie.data.validation import RowReader, ValidatedDataset, raise_for_bad_rows
from coterie.metrics.base import TextMetric
from coterie.metrics.text.exact_match import ExactMatch

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
        media: modality -> the column of its files' paths or bytes, where it is not called as the
            modality is ("image", "audio"); several files of a row stand in that name + "s".
        question: column of the question.
        answer: column of the answer or answers.
        prompt: template of the user's message, with {names} of text columns.
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
        if not (isinstance(self.name, str) and self.name and self.name.isprintable()):
            raise ValueError(f"name = {self.name!r}: give a task's name as text")
        if set(self.name) & set("/\\") or self.name in (".", ".."):
            raise ValueError(f"name = {self.name!r}: files are named for tasks, so no slashes")
        if not isinstance(self.rows, Mapping) or not self.rows:
            raise ValueError(f"rows = {self.rows!r}: give a file or folder for each split")
        for split, path in self.rows.items():
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
            media=self.media,
            question=self.question,
            answer=self.answer,
            prompt=self.prompt,
        )

    def get_path(self, split: str) -> str:
        """Return the path or hub id of the rows of a split.

        Raises ValueError if the task has no such split.
        """
        given = self.rows.get(split)
        if given is None and split in SPLIT_PARTS:
            given = self.rows.get(ALL_SPLITS)
        if given is None:
            raise ValueError(
                f"task {self.name!r} has no split {split!r}: it has {', '.join(self.list_splits())}"
            )
        return given if given.startswith("hf:") else str(Path(self.folder, given).expanduser())

    def list_splits(self) -> tuple[str, ...]:
        """List the task's splits."""
        parts = SPLIT_PARTS if ALL_SPLITS in self.rows else ()
        return tuple(
            dict.fromkeys([*(split for split in self.rows if split != ALL_SPLITS), *parts])
        )

    def read_samples(
        self, split: str, *, skip_bad_rows: bool = False, check_media: bool = True
    ) -> Dataset:
        """Load the samples of a split, after reading every row once.

        Args:
            split: "train", "validation", "test" or another of `rows`.
            skip_bad_rows: skip bad rows, and list them in `bad_rows` of the result.
            check_media: decode every image and audio file now, once per file; otherwise damaged
                ones raise on access.

        Raises ValueError with the number of bad rows and the first 20, or if no valid row is left.
        """
        shared = split not in self.rows and split in SPLIT_PARTS
        source = open_rows(self.get_path(split), split=split)
        reader = RowReader(task=self.name, columns=self.get_columns(), accepts=self.metric.check)
        part = SPLIT_PARTS[split] if shared and not source.is_split else None
        rows = ValidatedDataset(source, reader, check_media=check_media, part=part)
        raise_for_bad_rows(rows, what=f"task {self.name!r}, split {split!r}", skip=skip_bad_rows)
        return rows
