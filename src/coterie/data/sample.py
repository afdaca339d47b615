"""Text samples: the messages of a prompt, and the accepted answers."""

from dataclasses import dataclass, replace
from typing import Any, Literal

from coterie.data.media import MediaFile

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, kw_only=True)
class Message:
    """One chat message: texts, images and audio in order."""

    role: Role
    parts: tuple[str | MediaFile, ...]


@dataclass(frozen=True, kw_only=True)
class TextSample:
    """A prompt and its answers.

    Attributes:
        task: name of the task.
        messages: the prompt; the last message is the user's.
        answers: all accepted answers; the first is the training target. Empty for inference-only
            prompts.
        source: file and line for errors and predictions, such as "rows.jsonl:17".
    """

    task: str
    messages: tuple[Message, ...]
    answers: tuple[str, ...]
    source: str

    def get_media(self) -> tuple[MediaFile, ...]:
        """Return all images and audio files, in order."""
        return tuple(
            part for turn in self.messages for part in turn.parts if not isinstance(part, str)
        )

    def get_last_user_text(self) -> str:
        """Return the text of the last user message."""
        return "\n".join(part for part in self.messages[-1].parts if isinstance(part, str))

    def to_chat_messages(self) -> list[dict[str, Any]]:
        """Convert the prompt to chat messages of transformers, with decoded media.

        Each is {"role": ..., "content": [...]} with parts {"type": "text", "text": str},
        {"type": "image", "image": PIL image} and {"type": "audio", "audio": float32 [time]}.
        Raises ValueError if a file cannot be decoded.
        """
        return [
            {"role": turn.role, "content": [to_template_content(part) for part in turn.parts]}
            for turn in self.messages
        ]

    def without_media(self) -> "TextSample":
        """Return the sample without media, to measure what the text alone predicts."""
        turns = tuple(
            # A message with media only becomes an empty text: templates require at least one part.
            replace(turn, parts=tuple(p for p in turn.parts if isinstance(p, str)) or ("",))
            for turn in self.messages
        )
        return replace(self, messages=turns)


def to_template_content(part: str | MediaFile) -> dict[str, Any]:
    """Convert a part to the format of transformers' chat templates."""
    if isinstance(part, str):
        return {"type": "text", "text": part}
    return {"type": part.kind, part.kind: part.load()}
