"""Column names of a task's rows, and the template of its prompts."""

import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from coterie.annotations import abbreviate
from coterie.modalities.base import find_media_modalities, get_media_modality

OPTIONAL_MARK = "?"
"""After a column's name in a prompt: the column may be missing or empty."""


class PromptPiece(NamedTuple):
    """A text of a prompt's template, and the column that follows it, if one does."""

    text: str
    column: str | None
    is_optional: bool = False


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Column names and prompt template of one task.

    Attributes:
        media: modality -> column of its files, if it is not the modality's default (such as
            "image"). Several files per row are read from the column of that name + "s".
        question: column of the question.
        answer: column of the answer or answers; a row without it may have them in the column of
            that name + "s".
        prompt: template of the user's message: {name} inserts a text column, {name?} one that may
            be missing or empty; {{ and }} are braces.
        system: text of the system message of rows that have none of their own.
    """

    media: Mapping[str, str] = field(default_factory=dict)
    question: str = "question"
    answer: str = "answer"
    prompt: str = "{question}"
    system: str | None = None

    def __post_init__(self) -> None:
        for modality in self.media:
            get_media_modality(modality)
        named = {**self.media, "question": self.question, "answer": self.answer}
        for each, name in named.items():
            if not (isinstance(name, str) and name):
                raise ValueError(f"{each} = {name!r}: give the name of a column")
        if self.system is not None and not (isinstance(self.system, str) and self.system.strip()):
            raise ValueError(f"system = {self.system!r}: give text, or leave it out")
        self.split_template()

    def get_media_column(self, modality: str) -> str:
        """Return the column of a modality's files."""
        return self.media.get(modality, find_media_modalities()[modality].column)

    def list_text_columns(self) -> list[str]:
        """List the columns that are read as text: of the prompt and the answer."""
        named = [piece.column for piece in self.split_template() if piece.column]
        return [*named, self.answer, f"{self.answer}s", self.question]

    def split_template(self) -> list[PromptPiece]:
        """Split the template at its columns.

        {question} is the `question` column. Raises ValueError for {answer}, which would leak it.
        """
        where = f"prompt = {abbreviate(self.prompt)}"
        pieces = []
        try:
            parsed = list(string.Formatter().parse(self.prompt))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{where}: {error}; give text with {{names}} of columns") from None
        for text, given, form, conversion in parsed:
            name = None if given is None else given.removesuffix(OPTIONAL_MARK)
            if name is not None and (form or conversion or not name.isidentifier()):
                problem = f"{{{str(given)[:60]}}} is no plain name of a column"
                raise ValueError(f"{where}: {problem}; write {{{{ and }}}} for braces")
            if name is not None and name in ("answer", self.answer):
                raise ValueError(f"{where}: it would tell the answer; leave {{{name[:60]}}} out")
            column = self.question if name == "question" else name
            pieces.append(PromptPiece(text, column, is_optional=given != name))
        return pieces
