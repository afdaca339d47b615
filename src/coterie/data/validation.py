"""Validation of the rows of a source: each is read once, and invalid ones are reported."""

import hashlib
import os
from array import array
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from coterie.data.columns import Columns
from coterie.data.dataset import BadRow, Dataset, RowError
from coterie.data.row_formats import detect_format
from coterie.data.sample import TextSample
from coterie.data.sources.base import RowSource
from coterie.data.subset import Part, get_split_indices
from coterie.data.validation_cache import DecodeCache, ValidationCache
from coterie.progress import Progress

CHUNK_SIZE = 32
"""Number of rows per work item of a thread."""
MAX_LISTED_BAD_ROWS = 20
"""Maximum number of bad rows in an error message."""
Found = TypeVar("Found")


def accept_any(answers: tuple[str, ...]) -> None:
    """Accept all answers."""


@dataclass(frozen=True, kw_only=True)
class RowReader:
    """Reader of the rows of one task; `accepts` raises ValueError for answers it cannot score."""

    task: str
    columns: Columns = field(default_factory=Columns)
    accepts: Callable[[tuple[str, ...]], None] = accept_any

    def read_samples(self, source: RowSource, index: int) -> list[TextSample]:
        """Read the samples of one row, at least one. Raises RowError if it is invalid."""
        row = source[index]
        exchanges = detect_format(row).parse(row, self.columns, source.get_folder(index))
        for _, answers in exchanges:
            try:
                self.accepts(answers)
            except ValueError as error:
                raise RowError(self.columns.answer, str(error)) from None
        place = source.describe_row(index)
        return [
            TextSample(task=self.task, messages=turns, answers=answers, source=place)
            for turns, answers in exchanges
        ]


class ValidatedDataset(Dataset[TextSample]):
    """The samples of a source's valid rows. Memory: 12 bytes per sample."""

    def __init__(
        self, source: RowSource, reader: RowReader, *, check_media: bool, part: Part | None = None
    ) -> None:
        """Read every row once.

        If `check_media`, also decode every image and audio file to find damaged ones. `part` is a
        split of the valid rows; all bad rows are reported, as their split is unknown.
        """
        self.source, self.reader = source, reader
        rows, turns, groups = array("q"), array("i"), array("Q")
        bad: list[BadRow] = []
        decoding = DecodeCache() if check_media else None
        check = partial(check_row, source, reader, decoding, part is not None)
        checked = check_all(check, len(source), decoding.cache if decoding else None)
        progress = Progress(len(source), f"check rows of {reader.task}", unit="row")
        for index, found in enumerate(progress.count(checked)):
            if isinstance(found, BadRow):
                bad.append(found)
                continue
            num_samples, group = found
            rows.extend([index] * num_samples)
            turns.extend(range(num_samples))
            groups.extend([group] * (num_samples if part else 0))
        if part and rows:
            selected = get_split_indices(groups, part)
            rows = array("q", map(rows.__getitem__, selected))
            turns = array("i", map(turns.__getitem__, selected))
        self.row_indices, self.turn_indices = rows, turns
        self.bad_rows = tuple(bad)

    def __len__(self) -> int:
        return len(self.row_indices)

    def __getitem__(self, index: int) -> TextSample:
        samples = self.reader.read_samples(self.source, self.row_indices[index])
        return samples[self.turn_indices[index]]


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


def check_row(
    source: RowSource, reader: RowReader, decoding: DecodeCache | None, grouped: bool, index: int
) -> BadRow | tuple[int, int]:
    """Return the error of a row, or its number of samples and, if `grouped`, content hash."""
    try:
        samples = reader.read_samples(source, index)
        if decoding is not None:
            for media in samples[-1].get_media():  # the last sample has all media of the row
                decoding.check(media, reader.columns.get_media_column(media.kind))
        return len(samples), hash_content_group(samples[-1]) if grouped else 0
    except RowError as error:
        return BadRow(source=source.describe_row(index), field=error.field, reason=error.reason)


def hash_content_group(sample: TextSample) -> int:
    """Return a 64-bit hash of the sample's media or, without media, of its text."""
    media = sample.get_media()
    texts = [str(part) for turn in sample.messages for part in turn.parts]
    try:
        key = "\n".join([item.compute_digest() for item in media] or texts)
    except ValueError as error:
        raise RowError(media[0].kind, str(error)) from None
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8])


def raise_for_bad_rows(
    rows: Dataset, *, what: str, total: int, skip: bool, unit: str = "row"
) -> None:
    """Raise ValueError if none of `total` rows is valid, or some are not and `skip` is false."""
    bad = rows.bad_rows
    if len(rows) and (skip or not bad):
        return
    if not bad:
        raise ValueError(f"{what} has no {unit}s: give at least one")
    todo = f"no {unit} is good: mend the files"
    if len(rows):
        todo = f"mend the files, or leave the {unit}s out by skip_bad_rows=True (--skip-bad-rows)"
    head = f"{what} has {len(bad)} bad {unit}{'s' if len(bad) > 1 else ''} of {total}; {todo}"
    raise ValueError("\n".join([head, *format_bad_rows(bad)]))


def format_bad_rows(bad: Sequence[BadRow]) -> list[str]:
    """Format the first MAX_LISTED_BAD_ROWS bad rows, or only the first if all errors are equal."""
    alike = len({(row.field, row.reason) for row in bad}) == 1
    first = [f"  {row}" for row in bad[: 1 if alike else MAX_LISTED_BAD_ROWS]]
    more = len(bad) - len(first)
    return [*first, f"  and {more} more{', alike' if alike else ''}"] if more else first
