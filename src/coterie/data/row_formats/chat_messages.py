"""Rows of chat messages in the format of transformers and TRL."""

from collections.abc import Mapping
from itertools import chain
from typing import Any, ClassVar, get_args

from coterie.data.dataset import RowError
from coterie.data.row_formats.base import DialogueFormat
from coterie.data.row_formats.fields import MediaQueue, format_value, parse_media, parse_text
from coterie.data.sample import MediaFile, Role
from coterie.modalities.base import find_media_modalities


class ChatMessages(DialogueFormat):
    """{"messages": [{"role": "user", "content": ...}, ...]}; content is text or a list of parts.

    Parts are {"type": "text", "text": ...} or {"type": "image"} with the image under "image",
    "path" or "url" (a local path) or, as in TRL, next in the column `images`; likewise for audio.
    If no text and no part has a placeholder, the columns' media are prepended to the first user
    turn.
    """

    field: ClassVar[str] = "messages"
    items: ClassVar[str] = "messages"
    role_key: ClassVar[str] = "role"
    content_key: ClassVar[str] = "content"
    roles: ClassVar[Mapping[str, Role]] = {role: role for role in get_args(Role)}
    prepends_media: ClassVar[bool] = True

    def parse_content(
        self, content: Any, media: MediaQueue, field: str
    ) -> tuple[str | MediaFile, ...]:
        if isinstance(content, list) and content:
            parts = [parse_part(part, media, f"{field}[{i}]") for i, part in enumerate(content)]
            return tuple(chain.from_iterable(parts))
        if content is None or isinstance(content, list):
            raise RowError(field, f"is {format_value(content)}: give text or a list of parts")
        return super().parse_content(content, media, field)


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
