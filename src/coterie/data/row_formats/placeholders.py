"""Placeholders of media in texts, such as <image>, and the marks of other systems."""

import re
from functools import cache

from coterie.data.dataset import RowError
from coterie.modalities.base import find_media_modalities

OTHER_MARKS = (
    "depth", "pointcloud", "point_cloud", "pcd", "lidar", "thermal", "speech", "ImageHere",
    "image_placeholder"
)  # fmt: skip
"""Marks of other systems, between < and >, that no markup language has as a tag."""


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
