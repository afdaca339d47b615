"""Fields of a row: texts, numbers, dates and answers."""

import ast
import json
import math
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from coterie.data.dataset import RowError

Row = Mapping[str, Any]

MAX_TEXT_CHARACTERS = 2**20
"""The longest text of a field: more than any model's context, and a tokenizer takes about a GB for
three times as much."""
MAX_ANSWERS = 1000
"""The most accepted answers of a row: each prediction is compared with all of them."""
ANSWER_KEYS = ("text", "answer")
"""The key of an answer that is an object, as in SQuAD and VQA."""


def parse_text(value: Any, field: str) -> str:
    """Return `value`. Raises RowError unless it is non-empty text that can be encoded as UTF-8."""
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
    return value


def parse_scalar(value: Any, field: str) -> str:
    """Return text, or a number or date as text. Raises RowError for anything else.

    Numbers are formatted with `str`, of decimals all digits; dates as in ISO 8601, with a space
    before the time.
    """
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        if not isinstance(value, int) and not math.isfinite(value):
            raise RowError(field, f"is {value}: give a finite number")
        return f"{value:f}" if isinstance(value, Decimal) else format_number(value, field)
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    return parse_text(value, field)


def format_number(value: int | float, field: str) -> str:
    """Return `str` of a number. Raises RowError for an integer of thousands of digits."""
    try:
        return str(value)
    except ValueError as error:
        raise RowError(field, f"is a number that is too large: {error}") from None


def parse_answers(value: Any, field: str) -> tuple[str, ...]:
    """Parse accepted answers; white space around them is stripped.

    They are a text, number or date, or a list of these; or objects with such under "text" (SQuAD)
    or "answer" (VQA).
    """
    if value is None:
        raise RowError(field, "is missing or null: give text, a number or a list of these")
    if isinstance(value, Mapping):
        key = next((key for key in ANSWER_KEYS if value.get(key) is not None), None)
        if key is None:
            names = " or ".join(f'"{name}"' for name in ANSWER_KEYS)
            raise RowError(field, f"is {format_value(value)}: give text, or an object with {names}")
        return parse_answers(value[key], f"{field}.{key}")
    if not isinstance(value, list):
        return (parse_answer(value, field),)
    if not value:
        raise RowError(field, "is []: give at least one answer")
    if len(value) > MAX_ANSWERS:
        raise RowError(field, f"has {len(value)} answers: give at most {MAX_ANSWERS}")
    found = []
    for i, item in enumerate(value):
        place = f"{field}[{i}]"
        found += parse_answers(item, place) if isinstance(item, Mapping) else [
            parse_answer(item, place)
        ]  # fmt: skip
    return tuple(found)


def parse_answer(value: Any, field: str) -> str:
    """Parse one answer."""
    known = str | int | float | Decimal | date | time | timedelta
    if isinstance(value, bool) or not isinstance(value, known):
        raise RowError(field, f"is {format_value(value)}: give text, a number or a list of these")
    return parse_scalar(value, field).strip()


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


def parse_options(value: Any, field: str) -> str:
    """Return choices as lines with letters: "A. red", "B. green".

    They are a list, an object such as {"A": "red"}, or, as in ARC, one with the lists "label" and
    "text".
    """
    if isinstance(value, Mapping):
        labels, texts = list(value), [value[key] for key in value]
        if set(value) == {"label", "text"}:
            labels, texts = value["label"], value["text"]
    else:
        texts = value
        labels = [chr(ord("A") + i) if i < 26 else str(i + 1) for i in range(len(texts))]
    if not (isinstance(labels, list) and isinstance(texts, list) and len(labels) == len(texts) > 0):
        raise RowError(field, f"is {format_value(value)}: give a list of at least one choice")
    lines = [
        f"{parse_scalar(label, field)}. {parse_scalar(text, f'{field}[{i}]')}"
        for i, (label, text) in enumerate(zip(labels, texts, strict=True))
    ]
    return parse_text("\n".join(lines), field)


def format_value(value: Any) -> str:
    """Format a value for an error message, shortened to 60 characters."""
    try:
        text = repr(value[:100] if isinstance(value, str | bytes) else value)
    except (RecursionError, ValueError):  # nested too deeply, or an integer of too many digits
        text = f"a {type(value).__name__} that is too large to be shown"
    return text if len(text) <= 60 else f"{text[:57]}..."
