"""Rows of a question and an answer, with pictures and sounds beside them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coterie.data.columns import Columns
from coterie.data.formats.base import Exchange, Form, answers_of, shown, text_of
from coterie.data.formats.media import Shelf, without_marks
from coterie.data.rows import RowError
from coterie.data.sample import Turn
from coterie.spec import near


class Question(Form):
    """{"image": "a.png", "question": "How many?", "answer": 3}.

    Media stand before the text, unless the text has <image> and <audio> marks for them.
    """

    def fits(self, row: Mapping[str, Any]) -> bool:
        return True

    def exchanges(self, row: Mapping[str, Any], columns: Columns, folder: Path) -> list[Exchange]:
        text = filled(row, columns)
        answers = answers_of(row.get(columns.answer), columns.answer)
        for answer in answers:
            without_marks(answer, columns.answer)
        shelf = Shelf(row, columns, folder)
        parts = shelf.placed(text, columns.question)
        if not any(shelf.marks.values()):
            parts = shelf.rest() + parts
        shelf.check_empty(columns.question)
        return [((Turn(role="user", parts=parts),), answers)]


def filled(row: Mapping[str, Any], columns: Columns) -> str:
    """The prompt, with the row's columns in it."""
    text = ""
    for piece, column in columns.pieces():
        text += piece
        if column is not None:
            text += word_of(row, column)
    return text


def word_of(row: Mapping[str, Any], column: str) -> str:
    """A column of text or number, to be put into a prompt."""
    value = row.get(column)
    if value is None:
        names = [name for name, item in row.items() if item is not None]
        raise RowError(
            column,
            f"is missing or null, and the prompt names it{near(column, names)}; the row has "
            f"{shown(', '.join(names)) if names else 'nothing'}",
        )
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return text_of(value, column)
