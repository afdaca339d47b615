"""Turns of a dialogue to exchanges: one for each turn of the assistant."""

from collections.abc import Sequence

from coterie.data.formats.base import PromptAndAnswers
from coterie.data.media import MediaFile
from coterie.data.rows import RowError
from coterie.data.sample import Message


def split_dialogue(messages: Sequence[Message], field: str) -> list[PromptAndAnswers]:
    """One exchange for each turn of the assistant, those before it being its prompt.

    Raises RowError if there is none, or one does not follow a turn of the user.
    """
    found: list[PromptAndAnswers] = []
    for index, turn in enumerate(messages):
        if turn.role == "system" and index:
            raise RowError(f"{field}[{index}]", "is a turn of the system: it can only be the first")
        if turn.role != "assistant":
            continue
        if not index or messages[index - 1].role != "user":
            raise RowError(
                f"{field}[{index}]",
                "is the assistant's, but no turn of the user is before it",
            )
        found.append((tuple(messages[:index]), (get_answer_text(turn, f"{field}[{index}]"),)))
    if not found:
        raise RowError(field, f"has no turn of the assistant among {len(messages)}: nothing to learn")
    return found


def get_answer_text(message: Message, field: str) -> str:
    """The text of the assistant's turn."""
    if any(isinstance(part, MediaFile) for part in message.parts):
        raise RowError(field, "has a picture or sound: an answer is of text alone")
    return "\n".join(str(part) for part in message.parts).strip()
