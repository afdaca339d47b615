"""The forms that a row may have: which one it is, is told from its columns."""

from collections.abc import Mapping
from typing import Any

from coterie.data.formats.base import Form
from coterie.data.formats.conversations import Conversations
from coterie.data.formats.messages import Messages
from coterie.data.formats.question import Question

FORMS: tuple[Form, ...] = (Messages(), Conversations(), Question())


def form_of(row: Mapping[str, Any]) -> Form:
    """The first form that the row fits; any row that has no other is a question."""
    return next(form for form in FORMS if form.fits(row))
