"""A sample: the turns of a prompt, and the answers that are right."""

from dataclasses import dataclass, replace
from typing import Any, Literal

from coterie.data.media import MediaFile

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, kw_only=True)
class Message:
    """What one side says: texts, pictures and sounds in their order."""

    role: Role
    parts: tuple[str | MediaFile, ...]


@dataclass(frozen=True, kw_only=True)
class TextSample:
    """A prompt and its answers.

    Attributes:
        task: name of the task.
        messages: the prompt; the last turn is the user's.
        answers: all that are accepted; the first is trained on. Empty for a prompt that is to be
            answered, and not trained on or scored.
        source: file and line, such as "rows.jsonl:17": what errors and predictions call it.
    """

    task: str
    messages: tuple[Message, ...]
    answers: tuple[str, ...]
    source: str

    def get_media(self) -> tuple[MediaFile, ...]:
        """All pictures and sounds, in their order."""
        return tuple(
            part for turn in self.messages for part in turn.parts if not isinstance(part, str)
        )

    def get_last_user_text(self) -> str:
        """The words of the user's last turn."""
        return "\n".join(part for part in self.messages[-1].parts if isinstance(part, str))

    def to_chat_messages(self) -> list[dict[str, Any]]:
        """The prompt as the chat messages of transformers, media decoded.

        Each is {"role": ..., "content": [...]} with parts {"type": "text", "text": str},
        {"type": "image", "image": PIL image} and {"type": "audio", "audio": float32 [time]}.
        Raises ValueError if a file cannot be decoded.
        """
        return [
            {"role": turn.role, "content": [to_template_content(part) for part in turn.parts]}
            for turn in self.messages
        ]

    def without_media(self) -> "TextSample":
        """The same without pictures and sounds: what can be guessed from the words alone."""
        turns = tuple(
            # A turn of a picture alone becomes one of no words: templates ask for some part.
            replace(turn, parts=tuple(p for p in turn.parts if isinstance(p, str)) or ("",))
            for turn in self.messages
        )
        return replace(self, messages=turns)


def to_template_content(part: str | MediaFile) -> dict[str, Any]:
    """A part as transformers' chat templates take it."""
    if isinstance(part, str):
        return {"type": "text", "text": part}
    return {"type": part.kind, part.kind: part.load()}
