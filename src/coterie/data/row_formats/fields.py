"""Values of a row's fields: checks of texts, lists written as text, and values in errors."""

import ast
import json
from collections.abc import Mapping
from typing import Any

from coterie.data.dataset import RowError

Row = Mapping[str, Any]

MAX_TEXT_CHARACTERS = 2**20
"""The longest text of a field: more than any model's context, and a tokenizer takes about a GB for
three times as much."""


def check_text(value: Any, field: str) -> None:
    """Raise RowError unless `value` is non-empty text that can be encoded as UTF-8."""
    if not isinstance(value, str):
        raise RowError(field, f"is {format_value(value)}: give text")
    if not value.strip():
        raise RowError(field, f"is {value!r}: give text that is not empty")
    if len(value) > MAX_TEXT_CHARACTERS:
        problem = f"has {len(value)} characters: at most {MAX_TEXT_CHARACTERS} are read"
        raise RowError(field, f"{problem}; it begins {value[:40]!r}")
    if "\0" in value:
        raise RowError(field, f"holds a NUL character, in {format_value(value)}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        problem = f"holds half a character, {value[error.start]!r}, which has no UTF-8"
        raise RowError(field, problem) from None


def parse_list_text(value: Any) -> Any:
    """Return the list in a text, as JSON or as Python writes it; other values as they are.

    A cell of CSV holds lists as text: pandas writes ['a', 'b'].
    """
    if not isinstance(value, str) or not value.lstrip().startswith("["):
        return value
    for parse in (json.loads, ast.literal_eval):
        try:
            found = parse(value.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return found if isinstance(found, list) else value
    return value


def format_value(value: Any) -> str:
    """Format a value for an error message, shortened to 60 characters."""
    try:
        text = repr(value[:100] if isinstance(value, str | bytes) else value)
    except (RecursionError, ValueError):  # nested too deeply, or an integer of too many digits
        text = f"a {type(value).__name__} that is too large to be shown"
    return text if len(text) <= 60 else f"{text[:57]}..."
