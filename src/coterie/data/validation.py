"""Validation of the rows of a source: each is read once, and invalid ones are reported."""

import os
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar, cast

from coterie.data.dataset import BadRow, Dataset
from coterie.data.row_reader import RowReader, check_row, count_tokens_of_row
from coterie.data.sample import TextSample
from coterie.data.sample_check import SampleCheck
from coterie.data.sources.base import RowSource
from coterie.data.subset import Part, get_split_indices
from coterie.data.validation_cache import DecodeCache, ValidationCache
from coterie.progress import Progress

CHUNK_SIZE = 32
"""Number of rows per work item of a thread."""
MAX_LISTED_BAD_ROWS = 20
"""Maximum number of bad rows in an error message."""
Found = TypeVar("Found")


class BadRowsError(ValueError):
    """Rows that cannot be trained on or scored, each with its file and reason."""


class ValidatedDataset(Dataset[TextSample]):
    """The samples of a source's valid rows. Memory: 12 bytes per sample.

    Attributes:
        token_counts: tokens of each sample; empty without a `SampleCheck`.
        num_with_media: valid rows of the source that have an image or another file.
        ignored_columns: columns that no row format reads -> number of rows that have them.
    """

    def __init__(
        self,
        source: RowSource,
        reader: RowReader,
        *,
        check_media: bool,
        part: Part | None = None,
        sample_check: SampleCheck | None = None,
    ) -> None:
        """Read every row once.

        If `check_media`, also decode every image and audio file to find damaged ones. `part` is a
        split of the valid rows; all bad rows are reported, as their split is unknown. Rows with a
        sample that `sample_check` refuses are left out afterwards, so that splits do not depend on
        the model.

        Raises ValueError, with the bad rows, if there are too few rows for a split.
        """
        self.source, self.reader = source, reader
        rows, turns, groups = array("q"), array("i"), array("Q")
        bad: dict[int, BadRow] = {}
        self.num_with_media, self.ignored_columns = 0, Counter[str]()
        decoding = DecodeCache() if check_media else None
        check = partial(check_row, source, reader, decoding, part is not None)
        checked = check_all(check, len(source), decoding.cache if decoding else None)
        progress = Progress(len(source), f"check rows of {reader.task}", unit="row")
        for index, found in enumerate(progress.count(checked)):
            if isinstance(found, BadRow):
                bad[index] = found
                continue
            self.num_with_media += found.has_media
            self.ignored_columns.update(found.ignored)
            rows.extend([index] * found.num_samples)
            turns.extend(range(found.num_samples))
            groups.extend([found.group] * (found.num_samples if part else 0))
        self.num_valid = len(source) - len(bad)
        self.row_indices, self.turn_indices, self.token_counts = rows, turns, array("q")
        if part and rows:
            self._select(self._split(groups, part, bad))
        if sample_check is not None:
            bad |= self._check_samples(sample_check)
        self.bad_rows = tuple(bad[index] for index in sorted(bad))

    def __len__(self) -> int:
        return len(self.row_indices)

    def __getitem__(self, index: int) -> TextSample:
        samples = self.reader.read_samples(self.source, self.row_indices[index])
        return samples[self.turn_indices[index]]

    def list_notices(self) -> list[str]:
        """List what is no error, but may not be meant."""
        notices, name = [], f"task {self.reader.task!r}, {self.source.name}"
        if self.ignored_columns:
            names = ", ".join(name or "one without a name" for name in self.ignored_columns)
            notices.append(f"{name}: columns that are not read: {names}")
        if 0 < self.num_with_media < self.num_valid:
            without = self.num_valid - self.num_with_media
            notices.append(
                f"{name}: {without} of {self.num_valid} rows have no picture or sound, and the "
                "others have"
            )
        return notices

    def _split(self, groups: Sequence[int], part: Part, bad: Mapping[int, BadRow]) -> list[int]:
        try:
            return get_split_indices(groups, part)
        except ValueError as error:
            lines = [f"task {self.reader.task!r}, {self.source.name}: {error}"]
            raise ValueError("\n".join([*lines, *format_bad_rows([*bad.values()])])) from None

    def _select(self, indices: Sequence[int]) -> None:
        """Keep these samples alone."""
        self.row_indices = array("q", map(self.row_indices.__getitem__, indices))
        self.turn_indices = array("i", map(self.turn_indices.__getitem__, indices))

    def _check_samples(self, check: SampleCheck) -> dict[int, BadRow]:
        """Leave out the rows that the model cannot take, and return them by their index."""
        rows = list(dict.fromkeys(self.row_indices))
        count = partial(count_tokens_of_row, self.source, self.reader, check)
        found = check_all(lambda number: count(rows[number]), len(rows), check.cache)
        progress = Progress(len(rows), f"check samples of {self.reader.task}", unit="row")
        counts = dict(zip(rows, progress.count(found), strict=True))
        bad = {row: each for row, each in counts.items() if isinstance(each, BadRow)}
        self._select([i for i, row in enumerate(self.row_indices) if row not in bad])
        places = zip(self.row_indices, self.turn_indices, strict=True)
        self.token_counts = array("q", (cast(Any, counts[row])[turn] for row, turn in places))
        return bad


def check_all(
    check: Callable[[int], Found], count: int, cache: ValidationCache | None
) -> Iterator[Found]:
    """Yield `check` of each of `count` rows in order; files are read on all cores."""
    threads = os.cpu_count() or 1
    window = CHUNK_SIZE * threads * 4  # `pool.map` queues its entire input at once
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, count, window):
            rows = range(start, min(start + window, count))
            chunks = [rows[i : i + CHUNK_SIZE] for i in range(0, len(rows), CHUNK_SIZE)]
            for chunk in pool.map(lambda rows: list(map(check, rows)), chunks):
                yield from chunk
            if cache is not None:
                cache.save()  # so that an interrupted validation resumes here


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
