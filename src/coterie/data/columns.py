"""The names of the columns of a task's rows, and the template of its prompts."""

import string
from collections.abc import Mapping
from dataclasses import dataclass, field

from coterie.modalities.base import find_media_modalities, get_media_modality


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Names of columns.

    Attributes:
        media: modality -> the column of its files, where that is not the modality's own, as
            "image" is for images. Several files of a row stand in the column of that name + "s".
        question: the column of what is asked.
        answer: the column of the answer or answers.
        prompt: what the user says, with {names} of text columns; {{ and }} for braces.
    """

    media: Mapping[str, str] = field(default_factory=dict)
    question: str = "question"
    answer: str = "answer"
    prompt: str = "{question}"

    def __post_init__(self) -> None:
        for modality in self.media:
            get_media_modality(modality)
        named = {**self.media, "question": self.question, "answer": self.answer}
        for each, name in named.items():
            if not (isinstance(name, str) and name):
                raise ValueError(f"{each} = {name!r}: give the name of a column")
        self.split_template()

    def get_media_column(self, modality: str) -> str:
        """The column of a modality's files."""
        return self.media.get(modality, find_media_modalities()[modality].column)

    def split_template(self) -> list[tuple[str, str | None]]:
        """(text, column after it or None) for each piece of the template.

        {question} stands for the column that is called so, and {answer} is refused: it would give
        the answer away.
        """
        pieces = []
        try:
            parsed = list(string.Formatter().parse(self.prompt))
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"prompt = {self.prompt!r}: {error}; give text with {{names}} of columns"
            ) from None
        for text, name, form, conversion in parsed:
            if name is not None and (form or conversion or not name.isidentifier()):
                raise ValueError(
                    f"prompt = {self.prompt!r}: {{{name}}} is no plain name of a column; "
                    "write {{ and }} for braces"
                )
            if name is not None and name in ("answer", self.answer):
                raise ValueError(
                    f"prompt = {self.prompt!r}: it would tell the answer; leave {{{name}}} out"
                )
            pieces.append((text, self.question if name == "question" else name))
        return pieces
