"""`Dataset`, the interface of data sets; rows that cannot be read, and the error with them."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
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
MAX_LISTED_BAD_ROWS = 20
"""Maximum number of bad rows in an error message."""


class RowError(ValueError):
    """Error of a row with an invalid field."""

    def __init__(self, field: str, reason: str) -> None:
        if len(field) > MAX_FIELD_CHARACTERS:
            field = f"{field[: MAX_FIELD_CHARACTERS - 3]}..."
        super().__init__(f"{field}: {reason}")
        self.field, self.reason = field, reason


class BadRowsError(ValueError):
    """Rows that cannot be trained on or scored, each with its file and reason."""


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


def raise_for_bad_rows(
    rows: Dataset, *, what: str, total: int, skip: bool, unit: str = "row"
) -> None:
    """Raise BadRowsError if none of `total` rows is valid, or some are not and `skip` is false."""
    if problem := describe_bad_rows(rows, what=what, total=total, skip=skip, unit=unit):
        raise BadRowsError(problem)


def describe_bad_rows(
    rows: Dataset, *, what: str, total: int, skip: bool, unit: str = "row"
) -> str:
    """Return the error of `raise_for_bad_rows`; empty if there is none."""
    bad = rows.bad_rows
    if len(rows) and (skip or not bad):
        return ""
    if not bad:
        return f"{what} has no {unit}s: give at least one"
    todo = f"no {unit} is good: mend the files"
    if len(rows):
        todo = f"mend the files, or leave the {unit}s out by skip_bad_rows=True (--skip-bad-rows)"
    head = f"{what} has {len(bad)} bad {unit}{'s' if len(bad) > 1 else ''} of {total}; {todo}"
    return "\n".join([head, *format_bad_rows(bad)])


def format_bad_rows(bad: Sequence[BadRow]) -> list[str]:
    """Format the first MAX_LISTED_BAD_ROWS bad rows, or only the first if all errors are equal."""
    alike = len({(row.field, row.reason) for row in bad}) == 1
    first = [f"  {row}" for row in bad[: 1 if alike else MAX_LISTED_BAD_ROWS]]
    more = len(bad) - len(first)
    return [*first, f"  and {more} more{', alike' if alike else ''}"] if more else first
