"""Row formats, one a file, detected from the columns of a row."""

import sys
from functools import cache
from typing import Any

from coterie.data.row_formats.base import RowFormat
from coterie.data.row_formats.fields import Row
from coterie.serialization import find_kinds


def detect_format(row: Row) -> RowFormat:
    """Return the first format that matches the row; `QuestionAnswer` matches any row."""
    return next(form for form in find_formats() if form.matches(row))


@cache
def find_formats() -> tuple[RowFormat, ...]:
    """Return the formats that the files of this folder define, in their order."""
    kinds: list[Any] = find_kinds(sys.modules[__name__], RowFormat)
    formats = (kind() for kind in kinds)
    return tuple(sorted(formats, key=lambda each: (each.order, type(each).__name__)))
