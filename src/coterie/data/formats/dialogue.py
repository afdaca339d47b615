"""Turns of a dialogue to exchanges: one for each turn of the assistant."""

from collections.abc import Sequence

from coterie.data.formats.base import Exchange
from coterie.data.media import Media
from coterie.data.rows import RowError
from coterie.data.sample import Turn


def exchanges_of(turns: Sequence[Turn], field: str) -> list[Exchange]:
    """One exchange for each turn of the assistant, those before it being its prompt.

    Raises RowError if there is none, or one does not follow a turn of the user.
    """
    found: list[Exchange] = []
    for index, turn in enumerate(turns):
        if turn.role == "system" and index:
            raise RowError(f"{field}[{index}]", "is a turn of the system: it can only be the first")
        if turn.role != "assistant":
            continue
        if not index or turns[index - 1].role != "user":
            raise RowError(
                f"{field}[{index}]",
                "is the assistant's, but no turn of the user is before it",
            )
        found.append((tuple(turns[:index]), (answer_in(turn, f"{field}[{index}]"),)))
    if not found:
        raise RowError(field, f"has no turn of the assistant among {len(turns)}: nothing to learn")
    return found


def answer_in(turn: Turn, field: str) -> str:
    """The text of the assistant's turn."""
    if any(isinstance(part, Media) for part in turn.parts):
        raise RowError(field, "has a picture or sound: an answer is of text alone")
    return "\n".join(str(part) for part in turn.parts).strip()
