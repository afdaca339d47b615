"""`RowFormat`, the interface of row formats, and `DialogueFormat`, of rows with a list of turns."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from coterie.data.columns import Columns
from coterie.data.dataset import RowError
from coterie.data.row_formats.fields import MediaQueue, Row, format_value, parse_text
from coterie.data.sample import MediaFile, Message, Role

PromptAndAnswers = tuple[tuple[Message, ...], tuple[str, ...]]
"""Messages of a prompt, and its accepted answers."""


class RowFormat(ABC):
    """One format of rows."""

    @abstractmethod
    def matches(self, row: Row) -> bool:
        """Return whether a row has the columns of this format."""

    @abstractmethod
    def parse(self, row: Row, columns: Columns, folder: Path) -> list[PromptAndAnswers]:
        """Parse a row to one or more prompts with answers. Raises RowError at the first bad field.

        None counts as missing; paths are relative to `folder`.
        """


class DialogueFormat(RowFormat):
    """A column with a list of turns; each turn of the assistant is a sample.

    Attributes:
        field: the column.
        items: what the list holds, for errors.
        role_key, content_key: the keys of a turn, which is an object.
        roles: role in the row -> role in the message.
        prepends_media: whether media come before the text of the first user turn if no turn has a
            placeholder; otherwise they must match the placeholders one to one.
    """

    field: ClassVar[str]
    items: ClassVar[str]
    role_key: ClassVar[str]
    content_key: ClassVar[str]
    roles: ClassVar[Mapping[str, Role]]
    prepends_media: ClassVar[bool] = False

    def matches(self, row: Row) -> bool:
        return row.get(self.field) is not None

    def parse(self, row: Row, columns: Columns, folder: Path) -> list[PromptAndAnswers]:
        given = row[self.field]
        if not (isinstance(given, list) and given):
            raise RowError(self.field, f"is {format_value(given)}: give a list of {self.items}")
        media = MediaQueue(row, columns, folder)
        turns = [self.parse_turn(turn, media, f"{self.field}[{i}]") for i, turn in enumerate(given)]
        files = media.take_unplaced(self.field, prepends=self.prepends_media)
        first = next((turn for turn in turns if turn.role == "user"), None)
        turns = [replace(t, parts=files + t.parts) if t is first else t for t in turns]
        return split_dialogue(turns, self.field)

    def parse_turn(self, turn: Any, media: MediaQueue, field: str) -> Message:
        """Parse one turn. Raises RowError if it is invalid."""
        if not isinstance(turn, Mapping):
            keys = f'"{self.role_key}" and "{self.content_key}"'
            raise RowError(field, f"is {format_value(turn)}: give an object with {keys}")
        role = turn.get(self.role_key)
        if not (isinstance(role, str) and role in self.roles):
            known = ", ".join(self.roles)
            raise RowError(f"{field}.{self.role_key}", f"is {format_value(role)}: give {known}")
        content = turn.get(self.content_key)
        parts = self.parse_content(content, media, f"{field}.{self.content_key}")
        return Message(role=self.roles[role], parts=parts)

    def parse_content(
        self, content: Any, media: MediaQueue, field: str
    ) -> tuple[str | MediaFile, ...]:
        """Parse the content of a turn, by default text. Raises RowError if it is invalid."""
        return media.split_at_placeholders(parse_text(content, field), field)


def split_dialogue(messages: Sequence[Message], field: str) -> list[PromptAndAnswers]:
    """Split a dialogue into one sample per assistant turn, with the earlier turns as prompt.

    Raises RowError if there is no assistant turn, one does not follow a user turn or has media.
    """
    found: list[PromptAndAnswers] = []
    for index, turn in enumerate(messages):
        place = f"{field}[{index}]"
        if turn.role == "system" and index:
            raise RowError(place, "is a turn of the system: it can only be the first")
        if turn.role != "assistant":
            continue
        if not index or messages[index - 1].role != "user":
            raise RowError(place, "is the assistant's, but no turn of the user is before it")
        if any(isinstance(part, MediaFile) for part in turn.parts):
            raise RowError(place, "has a picture or sound: an answer is of text alone")
        answer = "\n".join(str(part) for part in turn.parts).strip()
        found.append((tuple(messages[:index]), (answer,)))
    if not found:
        problem = f"has no turn of the assistant among {len(messages)}: nothing to learn"
        raise RowError(field, problem)
    return found
