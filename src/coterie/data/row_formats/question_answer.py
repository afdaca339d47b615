"""Rows of a question and an answer, optionally with images and audio."""

from pathlib import Path

from coterie.data.columns import Columns
from coterie.data.dataset import RowError
from coterie.data.row_formats import fields
from coterie.data.row_formats.base import PromptAndAnswers, RowFormat
from coterie.data.row_formats.fields import Row
from coterie.data.sample import Message
from coterie.serialization import format_suggestions


class QuestionAnswer(RowFormat):
    """{"image": "a.png", "question": "How many?", "answer": 3}.

    Media precede the text unless the text has <image> or <audio> placeholders.
    """

    def matches(self, row: Row) -> bool:
        return True

    def parse(self, row: Row, columns: Columns, folder: Path) -> list[PromptAndAnswers]:
        prompt = self.parse_prompt(row, columns, folder)
        answers = fields.parse_answers(row.get(columns.answer), columns.answer)
        for mark in filter(None, map(fields.make_placeholder_pattern().search, answers)):
            problem = f"has the mark {mark[0].strip()}: an answer is of text alone"
            raise RowError(columns.answer, problem)
        return [(prompt, answers)]

    def parse_prompt(self, row: Row, columns: Columns, folder: Path) -> tuple[Message, ...]:
        """Parse a row without an answer; see `parse`."""
        text = "".join(
            text + (format_field(row, column) if column is not None else "")
            for text, column in columns.split_template()
        )
        media = fields.MediaQueue(row, columns, folder)
        parts = media.split_at_placeholders(text, columns.question)
        files = media.take_unplaced(columns.question, prepends=True)
        return (Message(role="user", parts=files + parts),)


def format_field(row: Row, column: str) -> str:
    """Format a text or number column for the prompt. Raises RowError if it is missing."""
    value = row.get(column)
    if value is None:
        names = [name for name, item in row.items() if item is not None]
        raise RowError(
            column,
            f"is missing or null, and the prompt names it{format_suggestions(column, names)}; the "
            f"row has {fields.format_value(', '.join(names)) if names else 'nothing'}",
        )
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return fields.parse_text(value, column)
