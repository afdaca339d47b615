"""Rows of chat messages, as transformers and TRL take them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from coterie.data.columns import Columns
from coterie.data.formats.base import Exchange, Form, shown, text_of
from coterie.data.formats.dialogue import exchanges_of
from coterie.data.formats.media import Shelf, medium
from coterie.data.media import Media
from coterie.data.rows import RowError
from coterie.data.sample import Turn

ROLES = ("system", "user", "assistant")
FIELD = "messages"


class Messages(Form):
    """{"messages": [{"role": "user", "content": ...}, ...]}, content being text or parts.

    Parts are {"type": "text", "text": ...}, and {"type": "image"} with the picture under "image",
    "path" or "url" (a local path), or, as in TRL, in its turn from the column `images`; the same
    for sounds. If no text and no part says where the columns' media belong, they open the user's
    first turn.
    """

    def fits(self, row: Mapping[str, Any]) -> bool:
        return row.get(FIELD) is not None

    def exchanges(self, row: Mapping[str, Any], columns: Columns, folder: Path) -> list[Exchange]:
        messages = row[FIELD]
        if not (isinstance(messages, list) and messages):
            raise RowError(FIELD, f"is {shown(messages)}: give a list of messages")
        shelf = Shelf(row, columns, folder)
        turns = [turn_of(item, shelf, f"{FIELD}[{i}]") for i, item in enumerate(messages)]
        if not any(shelf.marks.values()):
            turns = opened(turns, shelf.rest())
        shelf.check_empty(FIELD)
        return exchanges_of(turns, FIELD)


def opened(turns: list[Turn], media: tuple[Media, ...]) -> list[Turn]:
    """The same turns, with media before the text of the user's first."""
    first = next((i for i, turn in enumerate(turns) if turn.role == "user"), None)
    if first is None or not media:
        return turns
    turn = turns[first]
    return [*turns[:first], replace(turn, parts=media + turn.parts), *turns[first + 1 :]]


def turn_of(message: Any, shelf: Shelf, field: str) -> Turn:
    """One message as a turn."""
    if not isinstance(message, Mapping):
        raise RowError(field, f"is {shown(message)}: give an object with role and content")
    role, content = message.get("role"), message.get("content")
    if role not in ROLES:
        raise RowError(f"{field}.role", f"is {shown(role)}: give {', '.join(ROLES)}")
    field = f"{field}.content"
    if isinstance(content, list) and content:
        parts = [part_of(item, shelf, f"{field}[{i}]") for i, item in enumerate(content)]
        return Turn(role=role, parts=tuple(part for several in parts for part in several))
    if content is None or isinstance(content, list):
        raise RowError(field, f"is {shown(content)}: give text or a list of parts")
    return Turn(role=role, parts=shelf.placed(text_of(content, field), field))


def part_of(part: Any, shelf: Shelf, field: str) -> tuple[str | Media, ...]:
    """One part of a message: text with what its marks stand for, a picture or a sound."""
    kind = part.get("type") if isinstance(part, Mapping) else None
    if kind == "text":
        return shelf.placed(text_of(part.get("text"), f"{field}.text"), f"{field}.text")
    if kind not in ("image", "audio"):
        raise RowError(field, f"is {shown(part)}: give an object of type text, image or audio")
    for name in (kind, "path", "url"):
        if part.get(name) is not None:
            return (medium(kind, part[name], shelf.folder, f"{field}.{name}"),)
    return (shelf.next(kind, field),)
