"""Placeholders of media in texts, such as <image>: `MediaQueue` puts a row's media there."""

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from coterie.data.columns import Columns
from coterie.data.dataset import RowError
from coterie.data.row_formats.fields import Row
from coterie.data.row_formats.media_fields import find_media
from coterie.data.row_formats.unread_media import check_columns
from coterie.data.sample import MediaFile
from coterie.modalities.base import find_media_modalities

OTHER_MARKS = (
    "depth", "pointcloud", "point_cloud", "pcd", "lidar", "thermal", "speech", "ImageHere",
    "image_placeholder"
)  # fmt: skip
"""Marks of other systems, between < and >, that no markup language has as a tag."""


class MediaQueue:
    """A queue of the media of one row, per modality, in row order."""

    def __init__(self, row: Row, columns: Columns, folder: Path) -> None:
        self.folder = folder
        names = {kind: columns.get_media_column(kind) for kind in find_media_modalities()}
        self.media = {kind: find_media(row, kind, name, folder) for kind, name in names.items()}
        self.placeholder_counts = dict.fromkeys(self.media, 0)
        media_columns = {*names.values(), *(f"{name}s" for name in names.values())}
        self.row, self.read = row, {*media_columns, *columns.list_text_columns()}

    def check_rest(self, parts: Iterable[str | MediaFile]) -> None:
        """Raise RowError for media in other columns, where `parts` are those of the messages."""
        has_media = any(isinstance(part, MediaFile) for part in parts)
        check_columns(self.row, read=self.read, has_media=has_media)

    def take_next(self, kind: str, field: str) -> MediaFile:
        """Return the next item of a modality. Raises RowError if none is left."""
        self.placeholder_counts[kind] += 1
        number, named = self.placeholder_counts[kind], len(self.media[kind])
        if number > named:
            mark = f"has a <{kind}> mark, number {number}, for which there is no {kind}"
            advice = f"give it in the column `{kind}`, or write \\<{kind}> for these letters"
            raise RowError(field, f"{mark}: the row names {named}; {advice}")
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

        White space around a placeholder is removed. A placeholder after a backslash is text.
        """
        check_marks(text, field)
        pieces = make_placeholder_pattern().split(text)
        texts = [unescape(piece) for piece in pieces[::2]]
        parts: list[str | MediaFile] = [texts[0].rstrip() if len(texts) > 1 else texts[0]]
        for number, kind in enumerate(pieces[1::2], 1):
            after = texts[number].lstrip()
            parts += [
                self.take_next(kind, field), after.rstrip() if number < len(texts) - 1 else after
            ]  # fmt: skip
        return tuple(part for part in parts if part != "")


def make_placeholder_pattern() -> re.Pattern[str]:
    """Return a pattern of a placeholder that no backslash precedes; group 1 is the modality."""
    return _compile_placeholders(list_names())


@cache
def _compile_placeholders(names: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\\)<({names})>")


def make_other_mark_pattern() -> re.Pattern[str]:
    """Return a pattern of marks such as <depth>, <IMAGE>, <image 2> and <|image_1|>, as group 1."""
    known = find_media_modalities()
    others = "|".join(re.escape(mark) for mark in OTHER_MARKS if mark not in known)
    numbered = rf"(?:{list_names()})[ _-]?\d+|\|(?:{list_names()})(?:_\d+)?\|"
    capitals = rf"(?-i:(?!{list_names()}))(?:{list_names()})"  # a placeholder has none
    return re.compile(rf"(<(?i:{others}|{numbered}|{capitals})>)")


def list_names() -> str:
    return "|".join(map(re.escape, find_media_modalities()))


def check_marks(text: str, field: str) -> None:
    """Raise RowError for a mark that nothing replaces."""
    if "<" not in text:
        return
    for found in make_other_mark_pattern().finditer(text):
        if text[max(0, found.start() - 1) : found.start()] != "\\":
            marks = ", ".join(f"<{kind}>" for kind in find_media_modalities())
            raise RowError(
                field,
                f"has the mark {found[0]}, which nothing replaces: write {marks} where media "
                f"belong, or \\{found[0]} for these letters",
            )


def unescape(text: str) -> str:
    """Return text without the backslashes before placeholders and other marks."""
    if "\\<" not in text:
        return text
    text = re.sub(rf"\\(<(?:{list_names()})>)", r"\1", text)
    return re.sub(rf"\\{make_other_mark_pattern().pattern}", r"\1", text)
