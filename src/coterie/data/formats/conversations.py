"""Rows of conversations, as LLaVA has them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coterie.data.columns import Columns
from coterie.data.formats.base import Exchange, Form, shown, text_of
from coterie.data.formats.dialogue import exchanges_of
from coterie.data.formats.media import Shelf
from coterie.data.rows import RowError
from coterie.data.sample import Role, Turn

ROLES: dict[Any, Role] = {"system": "system", "human": "user", "gpt": "assistant"}
FIELD = "conversations"


class Conversations(Form):
    """{"image": "a.png", "conversations": [{"from": "human", "value": "<image>\\nWhat?"}, ...]}.

    Every picture and sound must have its <image> or <audio> mark, and every mark its own.
    """

    def fits(self, row: Mapping[str, Any]) -> bool:
        return row.get(FIELD) is not None

    def exchanges(self, row: Mapping[str, Any], columns: Columns, folder: Path) -> list[Exchange]:
        turns = row[FIELD]
        if not (isinstance(turns, list) and turns):
            raise RowError(FIELD, f"is {shown(turns)}: give a list of turns")
        shelf = Shelf(row, columns, folder)
        read = [turn_of(item, shelf, f"{FIELD}[{i}]") for i, item in enumerate(turns)]
        shelf.check_empty(FIELD)
        return exchanges_of(read, FIELD)


def turn_of(turn: Any, shelf: Shelf, field: str) -> Turn:
    """One turn of LLaVA as ours."""
    if not isinstance(turn, Mapping):
        raise RowError(field, f'is {shown(turn)}: give an object with "from" and "value"')
    role = turn.get("from")
    if not (isinstance(role, str) and role in ROLES):
        raise RowError(f"{field}.from", f"is {shown(role)}: give {', '.join(ROLES)}")
    field = f"{field}.value"
    return Turn(role=ROLES[role], parts=shelf.placed(text_of(turn.get("value"), field), field))
