"""What every form of row answers to: a row to exchanges of prompt and answers."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from coterie.data.columns import Columns
from coterie.data.dataset import RowError
from coterie.data.media import MediaFile
from coterie.data.sample import Message

PromptAndAnswers = tuple[tuple[Message, ...], tuple[str, ...]]
"""The turns of a prompt, and the accepted answers."""


class RowFormat(ABC):
    """One form of row."""

    @abstractmethod
    def matches(self, row: Mapping[str, Any]) -> bool:
        """Whether a row seems to be of this form."""

    @abstractmethod
    def parse(
        self, row: Mapping[str, Any], columns: Columns, folder: Path
    ) -> list[PromptAndAnswers]:
        """One or more exchanges. Raises RowError with the first field that is wrong.

        Args:
            row: as it stands in the file; None is as good as missing.
            columns: what the task calls its columns.
            folder: what paths are relative to.
        """


def parse_text(value: Any, field: str) -> str:
    """`value`, which must be text with something in it that a tokenizer can take."""
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
    """The accepted answers: a text, a number or a list of such; without white space around."""
    if value is None:
        raise RowError(field, "is missing or null: give text, a number or a list of these")
    if isinstance(value, list):
        if not value:
            raise RowError(field, "is []: give at least one answer")
        return tuple(parse_answer(item, f"{field}[{i}]") for i, item in enumerate(value))
    return (parse_answer(value, field),)


def parse_answer(value: Any, field: str) -> str:
    """One answer; a number as Python writes it."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise RowError(field, f"is {value}: give a finite number")
        return str(value)
    if not isinstance(value, str):
        raise RowError(field, f"is {format_value(value)}: give text, a number or a list of these")
    return parse_text(value, field).strip()


def format_value(value: Any) -> str:
    """A value of a row as errors show it."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def split_dialogue(messages: Sequence[Message], field: str) -> list[PromptAndAnswers]:
    """One exchange for each turn of the assistant, those before it being its prompt.

    Raises RowError if there is none, or one does not follow a turn of the user.
    """
    found: list[PromptAndAnswers] = []
    for index, turn in enumerate(messages):
        if turn.role == "system" and index:
            raise RowError(f"{field}[{index}]", "is a turn of the system: it can only be the first")
        if turn.role != "assistant":
            continue
        if not index or messages[index - 1].role != "user":
            raise RowError(
                f"{field}[{index}]",
                "is the assistant's, but no turn of the user is before it",
            )
        found.append((tuple(messages[:index]), (get_answer_text(turn, f"{field}[{index}]"),)))
    if not found:
        raise RowError(
            field, f"has no turn of the assistant among {len(messages)}: nothing to learn"
        )
    return found


def get_answer_text(message: Message, field: str) -> str:
    """The text of the assistant's turn."""
    if any(isinstance(part, MediaFile) for part in message.parts):
        raise RowError(field, "has a picture or sound: an answer is of text alone")
    return "\n".join(str(part) for part in message.parts).strip()
