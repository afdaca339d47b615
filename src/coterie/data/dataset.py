"""The interface of data sets, and the rows that cannot be read."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

SampleKind = TypeVar("SampleKind")


@dataclass(frozen=True, kw_only=True)
class BadRow:
    """A row that was left out: where it stands, the field that is wrong, and why.

    Attributes:
        source: file and line, such as "rows.jsonl:17".
        field: the dotted path to the value, such as "messages[1].role"; "row" for all of it.
        reason: what stands there, what may stand there.
    """

    source: str
    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.source}: {self.field}: {self.reason}"


class RowError(ValueError):
    """A row cannot be read, because of one of its fields."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class Dataset(ABC, Generic[SampleKind]):
    """Samples in their order, read one at a time: a map-style data set, safe to fork.

    A row of text may hold several samples, one for each turn of the assistant.
    """

    bad_rows: tuple[BadRow, ...]
    """The rows that were left out, in the order of the file."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of samples."""

    @abstractmethod
    def __getitem__(self, index: int) -> SampleKind:
        """Return sample `index`, from 0; negative counts from the end. IndexError beyond."""

    def __iter__(self) -> Iterator[SampleKind]:
        return (self[index] for index in range(len(self)))
