"""The pictures and sounds that a row names, and the marks in its text where they belong."""

import re
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from coterie.data.columns import Columns
from coterie.data.formats.base import shown, text_of
from coterie.data.media import Media
from coterie.data.rows import RowError

Kind = Literal["image", "audio"]
KINDS: dict[str, Kind] = {"image": "image", "audio": "audio"}
MARKS = re.compile(r"\s*<(image|audio)>\s*")


class Shelf:
    """The media of one row, handed out in their order."""

    def __init__(self, row: Mapping[str, Any], columns: Columns, folder: Path) -> None:
        self.folder = folder
        names: dict[Kind, str] = {"image": columns.image, "audio": columns.audio}
        self.left = {kind: deque(found(row, kind, name, folder)) for kind, name in names.items()}
        self.count = {kind: len(media) for kind, media in self.left.items()}
        self.marks = dict.fromkeys(self.left, 0)

    def next(self, kind: Kind, field: str) -> Media:
        """The next one of a kind; RowError if there are none left."""
        self.marks[kind] += 1
        if not self.left[kind]:
            raise RowError(
                field,
                f"has a <{kind}> mark, number {self.marks[kind]}, for which there is no {kind}: "
                f"the row names {self.count[kind]}",
            )
        return self.left[kind].popleft()

    def rest(self) -> tuple[Media, ...]:
        """All that are left, pictures first."""
        taken = tuple(media for kind in self.left for media in self.left[kind])
        for media in self.left.values():
            media.clear()
        return taken

    def check_empty(self, field: str) -> None:
        """RowError if some media have no place in the text."""
        for kind, media in self.left.items():
            if media:
                raise RowError(
                    field,
                    f"marks {self.marks[kind]} <{kind}>, but the row names {self.count[kind]}: "
                    f"write <{kind}> in the text where each belongs",
                )

    def placed(self, text: str, field: str) -> tuple[str | Media, ...]:
        """`text` cut at its <image> and <audio> marks, with the media in their places.

        White space around a mark is left out.
        """
        pieces = MARKS.split(text)
        parts: list[str | Media] = [pieces[0]]
        for kind, after in zip(pieces[1::2], pieces[2::2], strict=True):
            parts += [self.next(KINDS[kind], field), after]
        return tuple(part for part in parts if part != "")


def found(row: Mapping[str, Any], kind: Kind, name: str, folder: Path) -> list[Media]:
    """The media of a kind, from the columns `name` and `name` + "s"."""
    media = []
    for field in (name, f"{name}s"):
        value = row.get(field)
        if isinstance(value, list):
            media += [medium(kind, item, folder, f"{field}[{i}]") for i, item in enumerate(value)]
        elif value is not None:
            media.append(medium(kind, value, folder, field))
    return media


def medium(kind: Kind, value: Any, folder: Path, field: str) -> Media:
    """A picture or sound given by its path, its bytes, or Hugging Face's {"bytes", "path"}."""
    if isinstance(value, Mapping):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytes):
        if not value:
            raise RowError(field, f"has 0 bytes: give the bytes of an encoded {kind}")
        return Media(kind=kind, content=value)
    if not isinstance(value, str):
        raise RowError(field, f"is {shown(value)}: give the path of a file with the {kind}")
    if "://" in value or value.startswith("data:"):
        raise RowError(
            field, f"is the address {shown(value)}: nothing is downloaded; give a local path"
        )
    path = folder / text_of(value, field)
    check_file(path, value, field)
    return Media(kind=kind, at=path)


def check_file(path: Path, given: str, field: str) -> None:
    """RowError unless there is a file with something in it."""
    try:
        if path.is_dir():
            raise RowError(field, f"{given!r} is a folder: give a file")
        if path.stat().st_size == 0:
            raise RowError(field, f"{given!r} is an empty file: it has 0 bytes")
    except OSError as error:
        raise RowError(
            field, f"the file {given!r} cannot be read in {path.parent}: {error.strerror}"
        ) from None


def without_marks(text: str, field: str) -> str:
    """An answer, in which nothing can be placed."""
    if mark := MARKS.search(text):
        raise RowError(field, f"has the mark {mark[0].strip()}: an answer is of text alone")
    return text
