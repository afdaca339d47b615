"""Row formats, detected from the columns of a row."""

from coterie.data.row_formats.base import RowFormat
from coterie.data.row_formats.chat_messages import ChatMessages
from coterie.data.row_formats.fields import Row
from coterie.data.row_formats.llava_conversations import LlavaConversations
from coterie.data.row_formats.question_answer import QuestionAnswer

FORMS: tuple[RowFormat, ...] = (ChatMessages(), LlavaConversations(), QuestionAnswer())


def detect_format(row: Row) -> RowFormat:
    """Return the first format that matches the row; `QuestionAnswer` matches any row."""
    return next(form for form in FORMS if form.matches(row))
