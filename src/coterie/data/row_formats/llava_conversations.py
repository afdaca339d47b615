"""Rows of conversations in the format of LLaVA."""

from collections.abc import Mapping
from typing import Any, ClassVar

from coterie.data.dataset import RowError
from coterie.data.row_formats.base import DialogueFormat
from coterie.data.row_formats.fields import MediaQueue, format_value, parse_text
from coterie.data.sample import Message, Role

ROLES: dict[Any, Role] = {"system": "system", "human": "user", "gpt": "assistant"}


class LlavaConversations(DialogueFormat):
    """{"image": "a.png", "conversations": [{"from": "human", "value": "<image>\\nWhat?"}, ...]}.

    Images and audio files must match the <image> and <audio> placeholders one to one.
    """

    field: ClassVar[str] = "conversations"
    items: ClassVar[str] = "turns"

    def parse_turn(self, turn: Any, media: MediaQueue, field: str) -> Message:
        if not isinstance(turn, Mapping):
            problem = f'is {format_value(turn)}: give an object with "from" and "value"'
            raise RowError(field, problem)
        role = turn.get("from")
        if not (isinstance(role, str) and role in ROLES):
            raise RowError(f"{field}.from", f"is {format_value(role)}: give {', '.join(ROLES)}")
        field = f"{field}.value"
        text = parse_text(turn.get("value"), field)
        return Message(role=ROLES[role], parts=media.split_at_placeholders(text, field))
