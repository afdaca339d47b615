"""Rows of chat messages in the format of transformers and TRL."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from coterie.data.columns import Columns
from coterie.data.dataset import RowError
from coterie.data.media import MediaFile
from coterie.data.row_formats.base import (
    PromptAndAnswers,
    RowFormat,
    format_value,
    parse_text,
    split_dialogue,
)
from coterie.data.row_formats.media_placeholders import MediaQueue, parse_media
from coterie.data.sample import Message
from coterie.modalities.base import find_media_modalities

ROLES = ("system", "user", "assistant")
FIELD = "messages"


class ChatMessages(RowFormat):
    """{"messages": [{"role": "user", "content": ...}, ...]}; content is text or a list of parts.

    Parts are {"type": "text", "text": ...} or {"type": "image"} with the image under "image",
    "path" or "url" (a local path) or, as in TRL, next in the column `images`; likewise for audio.
    If no text and no part has a placeholder, the columns' media are prepended to the first user
    turn.
    """

    def matches(self, row: Mapping[str, Any]) -> bool:
        return row.get(FIELD) is not None

    def parse(
        self, row: Mapping[str, Any], columns: Columns, folder: Path
    ) -> list[PromptAndAnswers]:
        messages = row[FIELD]
        if not (isinstance(messages, list) and messages):
            raise RowError(FIELD, f"is {format_value(messages)}: give a list of messages")
        media_queue = MediaQueue(row, columns, folder)
        turns = [
            parse_message(item, media_queue, f"{FIELD}[{i}]") for i, item in enumerate(messages)
        ]
        if not any(media_queue.placeholder_counts.values()):
            turns = prepend_media(turns, media_queue.pop_remaining())
        media_queue.check_all_used(FIELD)
        return split_dialogue(turns, FIELD)


def prepend_media(messages: list[Message], media: tuple[MediaFile, ...]) -> list[Message]:
    """Return the messages with media before the text of the first user turn."""
    first = next((i for i, turn in enumerate(messages) if turn.role == "user"), None)
    if first is None or not media:
        return messages
    turn = messages[first]
    return [*messages[:first], replace(turn, parts=media + turn.parts), *messages[first + 1 :]]


def parse_message(message: Any, media_queue: MediaQueue, field: str) -> Message:
    """Parse one message."""
    if not isinstance(message, Mapping):
        raise RowError(field, f"is {format_value(message)}: give an object with role and content")
    role, content = message.get("role"), message.get("content")
    if role not in ROLES:
        raise RowError(f"{field}.role", f"is {format_value(role)}: give {', '.join(ROLES)}")
    field = f"{field}.content"
    if isinstance(content, list) and content:
        parts = [parse_part(item, media_queue, f"{field}[{i}]") for i, item in enumerate(content)]
        return Message(role=role, parts=tuple(part for several in parts for part in several))
    if content is None or isinstance(content, list):
        raise RowError(field, f"is {format_value(content)}: give text or a list of parts")
    return Message(
        role=role, parts=media_queue.split_at_placeholders(parse_text(content, field), field)
    )


def parse_part(part: Any, media_queue: MediaQueue, field: str) -> tuple[str | MediaFile, ...]:
    """Parse one part of a message: text with its placeholders replaced, or a media item."""
    kind = part.get("type") if isinstance(part, Mapping) else None
    if kind == "text":
        return media_queue.split_at_placeholders(
            parse_text(part.get("text"), f"{field}.text"), f"{field}.text"
        )
    known = find_media_modalities()
    if kind not in known:
        raise RowError(
            field, f"is {format_value(part)}: give an object of type text, {' or '.join(known)}"
        )
    for name in (kind, "path", "url"):
        if part.get(name) is not None:
            return (parse_media(kind, part[name], media_queue.folder, f"{field}.{name}"),)
    return (media_queue.pop_next(kind, field),)
