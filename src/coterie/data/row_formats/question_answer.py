"""Rows of a question and an answer, optionally with images and audio."""

from pathlib import Path
from typing import ClassVar

from coterie.annotations import format_suggestions
from coterie.data.columns import Columns
from coterie.data.dataset import RowError
from coterie.data.row_formats import fields
from coterie.data.row_formats.base import RowFormat
from coterie.data.row_formats.fields import Row
from coterie.data.row_formats.placeholders import (
    MediaQueue,
    make_placeholder_pattern,
    unescape,
)
from coterie.data.row_formats.turns import PromptAndAnswers, add_system
from coterie.data.sample import Message


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
        given = fields.parse_list_text(row.get(name)) if is_plural else row.get(name)
        if given is None:
            read = columns.list_text_columns()
            others = [key for key, value in row.items() if value is not None and key not in read]
            problem = "is missing or null: give text, a number or a list of these"
            raise RowError(name, problem + (suggest_column("answer", others[-1]) if others else ""))
        answers = fields.parse_answers(given, name)
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
        return tuple(add_system([Message(role="user", parts=files + parts)], row, columns))


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
        near, has = format_suggestions(column, names), fields.format_value(", ".join(names))
        problem = f"is missing or null, and the prompt names it{near}; the row has "
        advice = "" if near or takes_list or not names else suggest_column("question", names[0])
        raise RowError(column, problem + (f"{has}{advice}" if names else "nothing"))
    if takes_list and isinstance(value, list | dict):
        return fields.parse_options(value, column)
    if value == "":
        raise RowError(column, "is '': give text that is not empty, or write "
                               f"{{{column}?}} in the prompt")  # fmt: skip
    return fields.parse_scalar(value, column)


def suggest_column(field: str, name: str) -> str:
    """Return how a task says which column of its rows is the question or the answer."""
    return f"; a task in tasks.yaml may name the column, as `{field}: {name}`"
