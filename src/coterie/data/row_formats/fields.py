"""Fields of a row: texts, answers, and media with the placeholders where they are inserted."""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coterie.data.columns import Columns
from coterie.data.dataset import RowError
from coterie.data.sample import MediaFile
from coterie.modalities.base import find_media_modalities

Row = Mapping[str, Any]


class MediaQueue:
    """A queue of the media of one row, per modality, in row order."""

    def __init__(self, row: Row, columns: Columns, folder: Path) -> None:
        self.folder = folder
        self.media = {
            kind: find_media(row, kind, columns.get_media_column(kind), folder)
            for kind in find_media_modalities()
        }
        self.placeholder_counts = dict.fromkeys(self.media, 0)

    def take_next(self, kind: str, field: str) -> MediaFile:
        """Return the next item of a modality. Raises RowError if none is left."""
        self.placeholder_counts[kind] += 1
        number, named = self.placeholder_counts[kind], len(self.media[kind])
        if number > named:
            mark = f"has a <{kind}> mark, number {number}, for which there is no {kind}"
            raise RowError(field, f"{mark}: the row names {named}")
        return self.media[kind][number - 1]

    def take_unplaced(self, field: str, *, prepends: bool) -> tuple[MediaFile, ...]:
        """Return all media, by modality, if the text has no placeholder and `prepends`; else none.

        Raises RowError if some media have no placeholder and are not returned.
        """
        if prepends and not any(self.placeholder_counts.values()):
            return tuple(item for media in self.media.values() for item in media)
        for kind, media in self.media.items():
            if self.placeholder_counts[kind] < len(media):
                marks = f"marks {self.placeholder_counts[kind]} <{kind}>, but the row names"
                advice = f"write <{kind}> in the text where each belongs"
                raise RowError(field, f"{marks} {len(media)}: {advice}")
        return ()

    def split_at_placeholders(self, text: str, field: str) -> tuple[str | MediaFile, ...]:
        """Split `text` at placeholders such as <image> and <audio>, and insert the media there.

        White space around a placeholder is removed.
        """
        pieces = make_placeholder_pattern().split(text)
        parts: list[str | MediaFile] = [pieces[0]]
        for kind, after in zip(pieces[1::2], pieces[2::2], strict=True):
            parts += [self.take_next(kind, field), after]
        return tuple(part for part in parts if part != "")


def make_placeholder_pattern() -> re.Pattern[str]:
    """Return a pattern of a placeholder and surrounding white space; group 1 is the modality."""
    return re.compile(rf"\s*<({'|'.join(map(re.escape, find_media_modalities()))})>\s*")


def find_media(row: Row, kind: str, name: str, folder: Path) -> list[MediaFile]:
    """Find the media of a modality in the columns `name` and `name` + "s"."""
    media = []
    for field in (name, f"{name}s"):
        value = row.get(field)
        if isinstance(value, list):
            media += [parse_media(kind, x, folder, f"{field}[{i}]") for i, x in enumerate(value)]
        elif value is not None:
            media.append(parse_media(kind, value, folder, field))
    return media


def parse_media(kind: str, value: Any, folder: Path, field: str) -> MediaFile:
    """Parse a media file given as path, bytes, or Hugging Face's {"bytes", "path"}."""
    if isinstance(value, Mapping):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytes):
        if not value:
            raise RowError(field, f"has 0 bytes: give the bytes of an encoded {kind}")
        return MediaFile(kind=kind, content=value)
    if not isinstance(value, str):
        raise RowError(field, f"is {format_value(value)}: give the path of a file with the {kind}")
    if "://" in value or value.startswith("data:"):
        address = format_value(value)
        raise RowError(field, f"is the address {address}: nothing is downloaded; give a local path")
    path = folder / parse_text(value, field)
    check_file(path, value, field)
    return MediaFile(kind=kind, path=path)


def check_file(path: Path, given: str, field: str) -> None:
    """Raise RowError unless `path` is a non-empty file."""
    try:
        if path.is_dir():
            raise RowError(field, f"{given!r} is a folder: give a file")
        if path.stat().st_size == 0:
            raise RowError(field, f"{given!r} is an empty file: it has 0 bytes")
    except OSError as error:
        problem = f"the file {given!r} cannot be read in {path.parent}: {error.strerror}"
        raise RowError(field, problem) from None


def parse_text(value: Any, field: str) -> str:
    """Return `value`. Raises RowError unless it is non-empty text that can be encoded as UTF-8."""
    if not isinstance(value, str):
        raise RowError(field, f"is {format_value(value)}: give text")
    if not value.strip():
        raise RowError(field, f"is {value!r}: give text that is not empty")
    if "\0" in value:
        raise RowError(field, f"holds a NUL character, in {format_value(value)}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        problem = f"holds half a character, {value[error.start]!r}, which has no UTF-8"
        raise RowError(field, problem) from None
    return value


def parse_answers(value: Any, field: str) -> tuple[str, ...]:
    """Parse accepted answers from text, a number or a list of these; white space is stripped."""
    if value is None:
        raise RowError(field, "is missing or null: give text, a number or a list of these")
    if not isinstance(value, list):
        return (parse_answer(value, field),)
    if not value:
        raise RowError(field, "is []: give at least one answer")
    return tuple(parse_answer(item, f"{field}[{i}]") for i, item in enumerate(value))


def parse_answer(value: Any, field: str) -> str:
    """Parse one answer; numbers are formatted with `str`."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise RowError(field, f"is {value}: give a finite number")
        return str(value)
    if not isinstance(value, str):
        raise RowError(field, f"is {format_value(value)}: give text, a number or a list of these")
    return parse_text(value, field).strip()


def format_value(value: Any) -> str:
    """Format a value for an error message, shortened to 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
