"""`RowFormat`, the interface of row formats, and `DialogueFormat`, of rows with a list of turns."""

from abc import ABC, abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from coterie.data.columns import Columns
from coterie.data.row_formats.fields import Row, parse_list_text
from coterie.data.row_formats.placeholders import MediaQueue
from coterie.data.row_formats.turns import (
    PromptAndAnswers,
    parse_system,
    parse_tools,
    parse_turns,
    split_dialogue,
)
from coterie.data.sample import Message


class RowFormat(ABC):
    """One format of rows.

    Attributes:
        order: formats are tried in this order, and after it by name.
    """

    order: ClassVar[int] = 0

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
        field: the column, for errors.
        prepends_media: whether media come before the text of the first user turn if no turn has a
            placeholder; otherwise they must match the placeholders one to one.
    """

    field: ClassVar[str]
    prepends_media: ClassVar[bool] = False

    @abstractmethod
    def get_turns(self, row: Row) -> Any:
        """Return the list of turns; None for rows of other formats."""

    def matches(self, row: Row) -> bool:
        return self.get_turns(row) is not None

    def parse(self, row: Row, columns: Columns, folder: Path) -> list[PromptAndAnswers]:
        media = MediaQueue(row, columns, folder)
        parsed = parse_turns(parse_list_text(self.get_turns(row)), media, self.field)
        turns, learned = zip(*parsed, strict=True)
        placed = self.place_media(turns, media)
        media.check_rest(part for turn in placed for part in turn.parts)
        samples = split_dialogue(placed, self.field, learned)
        has_own = placed[0].role == "system"
        system = parse_system(row, columns, placed[0] if has_own else None)
        tools, found = parse_tools(row), []
        for prompt, answers in samples:
            first, *rest = *system, *prompt[has_own:]
            found.append(((replace(first, tools=tools), *rest), answers))
        return found

    def place_media(self, turns: tuple[Message, ...], media: MediaQueue) -> list[Message]:
        """Return the turns, the first of the user's with the media that no text places."""
        files = media.take_unplaced(self.field, prepends=self.prepends_media)
        first = next((turn for turn in turns if turn.role == "user"), None)
        return [replace(turn, parts=files + turn.parts) if turn is first else turn
                for turn in turns]  # fmt: skip
