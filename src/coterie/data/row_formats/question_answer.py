"""Rows of a question and an answer, optionally with images and audio."""

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

from coterie.annotations import format_suggestions
from coterie.data.columns import Columns
from coterie.data.dataset import RowError
from coterie.data.row_formats.base import RowFormat
from coterie.data.row_formats.fields import Row, check_text, format_value, parse_list_text
from coterie.data.row_formats.placeholders import (
    MediaQueue,
    make_placeholder_pattern,
    unescape,
)
from coterie.data.row_formats.turns import PromptAndAnswers, parse_system, parse_tools
from coterie.data.sample import Message

MAX_ANSWERS = 1000
"""The most accepted answers of a row: each prediction is compared with all of them."""
ANSWER_KEYS = ("text", "answer")
"""The key of an answer that is an object, as in SQuAD and VQA."""


class QuestionAnswer(RowFormat):
    """{"image": "a.png", "question": "How many?", "answer": 3}.

    Media precede the text unless the text has placeholders such as <image>.
    """

    order: ClassVar[int] = 1000  # the last, as it takes all rows

    def matches(self, row: Row) -> bool:
        return True

    def parse(self, row: Row, columns: Columns, folder: Path) -> list[PromptAndAnswers]:
        prompt = self.parse_prompt(row, columns, folder)
        name = columns.answer
        if row.get(name) is None and row.get(f"{name}s") is not None:
            name = f"{name}s"
        # The plural names several, which a cell of CSV holds as text.
        is_plural = name != columns.answer
        given = parse_list_text(row.get(name)) if is_plural else row.get(name)
        if given is None:
            read = columns.list_text_columns()
            others = [key for key, value in row.items() if value is not None and key not in read]
            problem = "is missing or null: give text, a number or a list of these"
            raise RowError(name, problem + (suggest_column("answer", others[-1]) if others else ""))
        answers = parse_answers(given, name)
        for mark in filter(None, map(make_placeholder_pattern().search, answers)):
            problem = f"has the mark {mark[0]}: an answer is of text alone"
            raise RowError(name, f"{problem}; write \\{mark[0]} for these letters")
        return [(prompt, tuple(map(unescape, answers)))]

    def parse_prompt(self, row: Row, columns: Columns, folder: Path) -> tuple[Message, ...]:
        """Parse a row without an answer; see `parse`."""
        text = format_prompt(row, columns)
        media = MediaQueue(row, columns, folder)
        parts = media.split_at_placeholders(text, columns.question)
        files = media.take_unplaced(columns.question, prepends=True)
        media.check_rest(files + parts)
        first, *rest = *parse_system(row, columns), Message(role="user", parts=files + parts)
        return (replace(first, tools=parse_tools(row)), *rest)


def format_prompt(row: Row, columns: Columns) -> str:
    """Insert a row's columns into the prompt's template.

    If an optional column is empty, white space at the ends of the text is removed with it.
    """
    texts, is_left_out = [], False
    for text, column, is_optional in columns.split_template():
        texts.append(text)
        if column is None:
            continue
        if is_optional and is_empty(row.get(column)):
            is_left_out = True
        else:
            texts.append(format_field(row, column, takes_list=column != columns.question))
    text = "".join(texts)
    return text.strip() if is_left_out else text


def is_empty(value: object) -> bool:
    """Return whether an optional column has nothing in it."""
    return value is None or value == [] or (isinstance(value, str) and not value.strip())


def format_field(row: Row, column: str, *, takes_list: bool) -> str:
    """Format a column for the prompt: text, a number, a date, or a list of choices.

    Raises RowError if it is missing.
    """
    value = row.get(column)
    if value is None:
        names = [name for name, item in row.items() if item is not None]
        near, has = format_suggestions(column, names), format_value(", ".join(names))
        problem = f"is missing or null, and the prompt names it{near}; the row has "
        advice = "" if near or takes_list or not names else suggest_column("question", names[0])
        raise RowError(column, problem + (f"{has}{advice}" if names else "nothing"))
    if takes_list and isinstance(value, list | dict):
        return parse_options(value, column)
    if value == "":
        raise RowError(column, "is '': give text that is not empty, or write "
                               f"{{{column}?}} in the prompt")  # fmt: skip
    return parse_scalar(value, column)


def suggest_column(field: str, name: str) -> str:
    """Return how a task says which column of its rows is the question or the answer."""
    return f"; a task in tasks.yaml may name the column, as `{field}: {name}`"


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
    text = "\n".join(lines)
    check_text(text, field)
    return text


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
    if not isinstance(value, timedelta):
        check_text(value, field)
    return str(value)


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
