"""Rows of conversations in the format of LLaVA."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coterie.data.columns import Columns
from coterie.data.dataset import RowError
from coterie.data.row_formats.base import (
    PromptAndAnswers,
    RowFormat,
    format_value,
    parse_text,
    split_dialogue,
)
from coterie.data.row_formats.media_placeholders import MediaQueue
from coterie.data.sample import Message, Role

ROLES: dict[Any, Role] = {"system": "system", "human": "user", "gpt": "assistant"}
FIELD = "conversations"


class LlavaConversations(RowFormat):
    """{"image": "a.png", "conversations": [{"from": "human", "value": "<image>\\nWhat?"}, ...]}.

    Images and audio files must match the <image> and <audio> placeholders one to one.
    """

    def matches(self, row: Mapping[str, Any]) -> bool:
        return row.get(FIELD) is not None

    def parse(
        self, row: Mapping[str, Any], columns: Columns, folder: Path
    ) -> list[PromptAndAnswers]:
        turns = row[FIELD]
        if not (isinstance(turns, list) and turns):
            raise RowError(FIELD, f"is {format_value(turns)}: give a list of turns")
        media_queue = MediaQueue(row, columns, folder)
        messages = [parse_turn(item, media_queue, f"{FIELD}[{i}]") for i, item in enumerate(turns)]
        media_queue.check_all_used(FIELD)
        return split_dialogue(messages, FIELD)


def parse_turn(turn: Any, media_queue: MediaQueue, field: str) -> Message:
    """Parse one LLaVA turn to a `Message`."""
    if not isinstance(turn, Mapping):
        raise RowError(field, f'is {format_value(turn)}: give an object with "from" and "value"')
    role = turn.get("from")
    if not (isinstance(role, str) and role in ROLES):
        raise RowError(f"{field}.from", f"is {format_value(role)}: give {', '.join(ROLES)}")
    field = f"{field}.value"
    return Message(
        role=ROLES[role],
        parts=media_queue.split_at_placeholders(parse_text(turn.get("value"), field), field),
    )
