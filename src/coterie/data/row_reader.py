"""`RowReader`: the samples of a task's rows, and the checks of one row."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from coterie.data.columns import Columns
from coterie.data.dataset import BadRow, RowError
from coterie.data.row_formats import detect_format
from coterie.data.row_formats.fields import Row
from coterie.data.sample import TextSample
from coterie.data.sample_check import SampleCheck
from coterie.data.sources.base import RowSource
from coterie.data.unread_columns import TrackedRow, check_unread, list_media_columns
from coterie.data.validation_cache import DecodeCache


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
        return self.parse_samples(source[index], source, index)

    def parse_samples(self, row: Row, source: RowSource, index: int) -> list[TextSample]:
        """Parse the samples of a row that was read. Raises RowError if it is invalid."""
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


class ValidRow(NamedTuple):
    """What is known of a valid row; `group` is a hash of its content, or 0."""

    num_samples: int
    group: int
    has_media: bool
    ignored: Sequence[str]


def check_row(
    source: RowSource, reader: RowReader, decoding: DecodeCache | None, grouped: bool, index: int
) -> BadRow | ValidRow:
    """Return the error of a row, or what is known of it, with a content hash if `grouped`."""
    try:
        row = TrackedRow(source[index])
        samples = reader.parse_samples(row, source, index)
        repeated = source.list_repeated_columns(row)
        unread = check_unread(row, list_media_columns(reader.columns))
        ignored = [name for name in unread if name not in repeated]
        media = samples[-1].get_media()  # the last sample has all media of the row
        if decoding is not None:
            for each in media:
                decoding.check(each, reader.columns.get_media_column(each.kind))
        group = hash_content_group(samples[-1]) if grouped else 0
        return ValidRow(len(samples), group, bool(media), ignored)
    except RowError as error:
        return BadRow(source=source.describe_row(index), field=error.field, reason=error.reason)


def count_tokens_of_row(
    source: RowSource, reader: RowReader, check: SampleCheck, index: int
) -> BadRow | list[int]:
    """Return the tokens of each sample of a valid row, or why the model cannot take it."""
    try:
        return [check.count_tokens(sample) for sample in reader.read_samples(source, index)]
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
