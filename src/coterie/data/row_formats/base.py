"""`RowFormat`, the interface of row formats: they parse rows to prompts and answers."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coterie.data.columns import Columns
from coterie.data.dataset import RowError
from coterie.data.sample import Message

Row = Mapping[str, Any]
PromptAndAnswers = tuple[tuple[Message, ...], tuple[str, ...]]
"""Messages of a prompt, and its accepted answers."""


class RowFormat(ABC):
    """One format of rows."""

    @abstractmethod
    def matches(self, row: Row) -> bool:
        """Return whether a row has the columns of this format."""

    @abstractmethod
    def parse(self, row: Row, columns: Columns, folder: Path) -> list[PromptAndAnswers]:
        """Parse a row to one or more prompts with answers. Raises RowError at the first bad field.

        None counts as missing; paths are relative to `folder`.
        """


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
        raise RowError(
            field, f"holds half a character, {value[error.start]!r}, which has no UTF-8"
        ) from None
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
