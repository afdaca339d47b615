"""Rows of chat messages in the format of transformers and TRL."""

from collections.abc import Mapping
from typing import Any, ClassVar

from coterie.data.dataset import RowError
from coterie.data.row_formats.base import DialogueFormat
from coterie.data.row_formats.fields import MediaQueue, format_value, parse_media, parse_text
from coterie.data.sample import MediaFile, Message
from coterie.modalities.base import find_media_modalities

ROLES = ("system", "user", "assistant")


class ChatMessages(DialogueFormat):
    """{"messages": [{"role": "user", "content": ...}, ...]}; content is text or a list of parts.

    Parts are {"type": "text", "text": ...} or {"type": "image"} with the image under "image",
    "path" or "url" (a local path) or, as in TRL, next in the column `images`; likewise for audio.
    If no text and no part has a placeholder, the columns' media are prepended to the first user
    turn.
    """

    field: ClassVar[str] = "messages"
    items: ClassVar[str] = "messages"
    prepends_media: ClassVar[bool] = True

    def parse_turn(self, turn: Any, media: MediaQueue, field: str) -> Message:
        if not isinstance(turn, Mapping):
            raise RowError(field, f"is {format_value(turn)}: give an object with role and content")
        role, content = turn.get("role"), turn.get("content")
        if role not in ROLES:
            raise RowError(f"{field}.role", f"is {format_value(role)}: give {', '.join(ROLES)}")
        field = f"{field}.content"
        if isinstance(content, list) and content:
            parts = [parse_part(part, media, f"{field}[{i}]") for i, part in enumerate(content)]
            return Message(role=role, parts=tuple(part for several in parts for part in several))
        if content is None or isinstance(content, list):
            raise RowError(field, f"is {format_value(content)}: give text or a list of parts")
        text = parse_text(content, field)
        return Message(role=role, parts=media.split_at_placeholders(text, field))


def parse_part(part: Any, media: MediaQueue, field: str) -> tuple[str | MediaFile, ...]:
    """Parse one part of a message: text with its placeholders replaced, or a media item."""
    kind = part.get("type") if isinstance(part, Mapping) else None
    if kind == "text":
        field = f"{field}.text"
        return media.split_at_placeholders(parse_text(part.get("text"), field), field)
    known = find_media_modalities()
    if kind not in known:
        kinds = " or ".join(known)
        raise RowError(field, f"is {format_value(part)}: give an object of type text, {kinds}")
    for name in (kind, "path", "url"):
        if part.get(name) is not None:
            return (parse_media(kind, part[name], media.folder, f"{field}.{name}"),)
    return (media.take_next(kind, field),)
