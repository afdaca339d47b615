"""A sample: the turns of a prompt, and the answers that are right."""

from dataclasses import dataclass, replace
from typing import Any, Literal

from coterie.data.media import Media

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What one side says: texts, pictures and sounds in their order."""

    role: Role
    parts: tuple[str | Media, ...]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A prompt and its answers.

    Attributes:
        task: name of the task.
        turns: the prompt; the last turn is the user's.
        answers: all that are accepted, at least one; the first is trained on.
        source: file and line, such as "rows.jsonl:17": what errors and predictions call it.
    """

    task: str
    turns: tuple[Turn, ...]
    answers: tuple[str, ...]
    source: str

    def media(self) -> tuple[Media, ...]:
        """All pictures and sounds, in their order."""
        return tuple(
            part for turn in self.turns for part in turn.parts if not isinstance(part, str)
        )

    def text(self) -> str:
        """The words of the user's last turn."""
        return "\n".join(part for part in self.turns[-1].parts if isinstance(part, str))

    def chat(self) -> list[dict[str, Any]]:
        """The prompt as the chat messages of transformers, media decoded.

        Each is {"role": ..., "content": [...]} with parts {"type": "text", "text": str},
        {"type": "image", "image": PIL image} and {"type": "audio", "audio": float32 [time]}.
        Raises ValueError if a file cannot be decoded.
        """
        return [
            {"role": turn.role, "content": [content(part) for part in turn.parts]}
            for turn in self.turns
        ]

    def blind(self) -> "Sample":
        """The same without pictures and sounds: what can be guessed from the words alone."""
        turns = tuple(
            # A turn of a picture alone becomes one of no words: templates ask for some part.
            replace(turn, parts=tuple(p for p in turn.parts if isinstance(p, str)) or ("",))
            for turn in self.turns
        )
        return replace(self, turns=turns)


def content(part: str | Media) -> dict[str, Any]:
    """A part as transformers' chat templates take it."""
    if isinstance(part, str):
        return {"type": "text", "text": part}
    return {"type": part.kind, part.kind: part.load()}
