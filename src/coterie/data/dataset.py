"""`Dataset`, the interface of data sets, and the records of rows that cannot be read."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

SampleKind = TypeVar("SampleKind")


@dataclass(frozen=True, kw_only=True)
class BadRow:
    """A row that cannot be read.

    Attributes:
        source: file and line, such as "rows.jsonl:17".
        field: dotted path to the value, such as "messages[1].role"; "row" for the entire row.
        reason: the value found and the values allowed.
    """

    source: str
    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.source}: {self.field}: {self.reason}"


MAX_FIELD_CHARACTERS = 100
"""Longer names of fields, which come from files, are shortened in errors."""


class RowError(ValueError):
    """Error of a row with an invalid field."""

    def __init__(self, field: str, reason: str) -> None:
        if len(field) > MAX_FIELD_CHARACTERS:
            field = f"{field[: MAX_FIELD_CHARACTERS - 3]}..."
        super().__init__(f"{field}: {reason}")
        self.field, self.reason = field, reason


class Dataset(ABC, Generic[SampleKind]):
    """A map-style data set that reads one sample at a time and is safe to fork.

    A text row may hold several samples, one per assistant turn.
    """

    bad_rows: tuple[BadRow, ...]
    """The skipped rows, in file order."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of samples."""

    @abstractmethod
    def __getitem__(self, index: int) -> SampleKind:
        """Return sample `index`; negative counts from the end. Raises IndexError out of range."""

    def __iter__(self) -> Iterator[SampleKind]:
        return (self[index] for index in range(len(self)))
