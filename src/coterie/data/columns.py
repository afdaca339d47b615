"""Column names of a task's rows, and the template of its prompts."""

import string
from collections.abc import Mapping
from dataclasses import dataclass, field

from coterie.modalities.base import find_media_modalities, get_media_modality


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Column names and prompt template of one task.

    Attributes:
        media: modality -> column of its files, if it is not the modality's default (such as
            "image"). Several files per row are read from the column of that name + "s".
        question: column of the question.
        answer: column of the answer or answers.
        prompt: template of the user's message: {name} inserts a text column; {{ and }} are braces.
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
        """Return the column of a modality's files."""
        return self.media.get(modality, find_media_modalities()[modality].column)

    def split_template(self) -> list[tuple[str, str | None]]:
        """Split the template into (text, following column or None) pieces.

        {question} is the `question` column. Raises ValueError for {answer}, which would leak it.
        """
        where = f"prompt = {self.prompt!r}"
        pieces = []
        try:
            parsed = list(string.Formatter().parse(self.prompt))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{where}: {error}; give text with {{names}} of columns") from None
        for text, name, form, conversion in parsed:
            if name is not None and (form or conversion or not name.isidentifier()):
                problem = f"{{{name}}} is no plain name of a column; write {{{{ and }}}} for braces"
                raise ValueError(f"{where}: {problem}")
            if name is not None and name in ("answer", self.answer):
                raise ValueError(f"{where}: it would tell the answer; leave {{{name}}} out")
            pieces.append((text, self.question if name == "question" else name))
        return pieces
