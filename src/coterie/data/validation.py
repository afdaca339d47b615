"""Validation of the rows of a source: each is read once, and invalid ones are reported.

`RowReader` reads the samples of a row, `check_row` says what is wrong with one, or which of its
columns nothing reads, and a `ValidatedDataset` holds the samples of the valid ones.
"""

import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from typing import Any, NamedTuple, cast

from coterie.data.columns import Columns
from coterie.data.dataset import BadRow, Dataset, RowError, format_bad_rows
from coterie.data.row_formats import detect_format
from coterie.data.row_formats.fields import Row
from coterie.data.sample import TextSample
from coterie.data.sample_check import SampleCheck
from coterie.data.sources.base import RowSource
from coterie.data.subset import Part, get_split_indices, hash_content_group
from coterie.data.validation_cache import DecodeCache, check_all
from coterie.modalities.base import find_media_modalities
from coterie.progress import Progress

FREE = ("tools", "arguments")
"""Keys of objects that are passed on as they are."""
CUTOFF = 0.75
"""Least similarity of a misspelt name, from 0 to 1, as `difflib` measures it: img is image."""


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


class TrackedRow(dict[str, Any]):
    """A row, or an object in it, that notes which of its keys were asked for.

    It is a dict for `json` and for formats that ask; iteration does not count as a read.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__({key: track(value) for key, value in values.items()})
        self._read: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        self._read.add(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a key, which counts as a read, or `default`."""
        self._read.add(key)
        return super().get(key, default)

    def find_unread(self) -> dict[str, Any]:
        """Return the keys that nobody asked for; None and empty values count as missing."""
        unread = {key: each for key, each in self.items() if key not in self._read}
        return {key: each for key, each in unread.items() if each not in (None, "", [], {})}

    def find_inner(self, path: str = "") -> Iterator[tuple[str, "TrackedRow"]]:
        """Yield the objects in what was read, each with its path such as "messages[0]."."""
        for key, value in self.items():
            if key not in self._read or key in FREE:
                continue
            for number, each in enumerate(value if isinstance(value, list) else [value]):
                if isinstance(each, TrackedRow):
                    index = f"[{number}]" if isinstance(value, list) else ""
                    yield f"{path}{key}{index}.", each
                    yield from each.find_inner(f"{path}{key}{index}.")


def track(value: Any) -> Any:
    """Return a JSON value with its objects tracked."""
    if isinstance(value, Mapping):
        return TrackedRow(value)
    return [track(each) for each in value] if isinstance(value, list) else value


def check_unread(row: TrackedRow, media_columns: Iterable[str]) -> list[str]:
    """Return the columns that the row's format, which has parsed it, did not read.

    Keys of objects in columns come as "messages[].thinking".

    Raises RowError for one that is lost: with a file under the misspelt name of one of
    `media_columns` that the row lacks, or beside the content of a message.
    """
    ignored, held = row.find_unread(), dict(row.items())
    absent = [name for name in media_columns if not held.get(name)]
    lost = [(name, value, absent) for name, value in ignored.items()]
    names = [*find_media_modalities(), *(f"{name}s" for name in find_media_modalities())]
    for path, inner in row.find_inner():
        lost += [(f"{path}{name}", value, names) for name, value in inner.find_unread().items()]
    for path, value, known in lost:
        near = get_close_matches(path.rpartition(".")[2], known, n=1, cutoff=CUTOFF)
        if near and looks_like_media(value):
            raise RowError(path, describe_lost(path, near[0]))
    inner = (re.sub(r"\[\d+\]", "[]", path) for path, _, _ in lost[len(ignored) :])
    return list(dict.fromkeys([*ignored, *inner]))


def describe_lost(path: str, near: str) -> str:
    """Describe what to do about a file in a column that is not read."""
    if "." in path:
        return "is a file that is not read here: make it a part of the content"
    return f"is a file in a column that is not read: did you mean {near}?"


def list_media_columns(columns: Columns) -> list[str]:
    """List the columns of media that a task reads."""
    names = [columns.get_media_column(kind) for kind in find_media_modalities()]
    return [*names, *(f"{name}s" for name in names)]


def looks_like_media(value: Any) -> bool:
    """Return whether a value can be an item of media: bytes, a path, an address, or an object."""
    first = value[0] if isinstance(value, list) else value
    if isinstance(first, str):
        return re.search(r"\s", first) is None and re.search(r"/|\.\w{2,5}$", first) is not None
    return isinstance(first, bytes | Mapping)
