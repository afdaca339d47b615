"""How the columns of a task's rows are called, and the template its prompts are made of."""

import string
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Names of columns. Pictures stand in `image`, or several in `image` + "s"; so do sounds.

    Attributes:
        prompt: what the user says, with {names} of text columns; {{ and }} for braces.
    """

    image: str = "image"
    audio: str = "audio"
    question: str = "question"
    answer: str = "answer"
    prompt: str = "{question}"

    def __post_init__(self) -> None:
        for field in ("image", "audio", "question", "answer"):
            name = getattr(self, field)
            if not (isinstance(name, str) and name):
                raise ValueError(f"{field} = {name!r}: give the name of a column")
        self.split_template()

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
