"""Text samples: the messages of a prompt, the media files in them, and the accepted answers."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from coterie.io import read_regular_file
from coterie.modalities.base import find_media_modalities, get_media_modality

NO_MEDIA = {
    b"version https://git-lfs": "is a pointer of Git LFS, not the file: run `git lfs pull` there",
    b"<!doctype html": "is a web page, such as a failed download leaves: fetch the file again",
    b"<html": "is a web page, such as a failed download leaves: fetch the file again",
    b"%pdf-": "is a PDF document: save its pages as pictures",
    b"<svg": "is an SVG drawing: save it as PNG",
}
"""How files begin that stand in the place of media -> what they are, and what to do."""

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, kw_only=True)
class MediaFile:
    """An image, audio recording or other media item, loaded lazily.

    Attributes:
        kind: the modality's name, such as "image" or "audio".
        path: the file, or None.
        content: encoded bytes (Parquet, hub), or None.
        frames: the frames, each a file, of a video; else none. Exactly one of the three is given.
    """

    kind: str
    path: Path | None = None
    content: bytes | None = field(default=None, repr=False)
    frames: tuple["MediaFile", ...] = ()

    def __post_init__(self) -> None:
        known = find_media_modalities()
        if self.kind not in known:
            raise ValueError(f"MediaFile(kind={self.kind!r}): give {' or '.join(known)}")
        if (self.path is not None) + (self.content is not None) + bool(self.frames) != 1:
            raise ValueError(
                f"{self!r}: give either `path`, a file, or `content`, its bytes, or `frames`"
            )

    def load(self, max_pixels: int | None = None) -> Any:
        """Decode the item by its modality, e.g. to a PIL image or float32 [time].

        Larger images are scaled down to at most `max_pixels`; None for no limit.
        Raises ValueError that names the file if it cannot be read or decoded.
        """
        modality = get_media_modality(self.kind)
        frames = [frame.load(max_pixels) for frame in self.frames]
        content = b"" if frames else self.read_bytes()
        try:
            item = modality.join_frames(frames) if frames else modality.decode(content)
        except ValueError as error:
            raise ValueError(f"{self.name} {describe_no_media(content) or error}") from None
        return item if max_pixels is None else modality.shrink(item, max_pixels)

    def compute_digest(self) -> str:
        """Compute the SHA-256 of the encoded bytes, as 64 hexadecimal digits."""
        digests = "".join(frame.compute_digest() for frame in self.frames)
        return hashlib.sha256(digests.encode() or self.read_bytes()).hexdigest()

    def read_bytes(self) -> bytes:
        """Return the encoded bytes. Raises ValueError if a file is too large or cannot be read."""
        limit = get_media_modality(self.kind).get_max_bytes()
        try:
            return read_regular_file(self.path, limit) if self.path else self.content or b""
        except OSError as error:
            raise ValueError(f"{self.name} cannot be read: {error.strerror}") from None

    @property
    def name(self) -> str:
        """Name for error messages."""
        if self.frames:
            return f"{self.kind} of {len(self.frames)} frames, the first {self.frames[0].name},"
        return str(self.path or f"{self.kind} of {len(self.content or b'')} bytes")


@dataclass(frozen=True, kw_only=True)
class Message:
    """One chat message: texts, images and audio in order.

    Attributes:
        role: whose it is; a tool's holds the result of a call.
        parts: the content; none for tool calls alone.
        tool_calls: the assistant's calls, as {"type": "function", "function": {"name",
            "arguments"}}.
        tool_name, tool_call_id: the function, and the call, that a tool's message answers.
        tools: of the first message, the JSON schemas of the functions that may be called.
    """

    role: Role
    parts: tuple[str | MediaFile, ...]
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    tool_name: str | None = None
    tool_call_id: str | None = None
    tools: tuple[Mapping[str, Any], ...] = ()

    def to_chat_message(self, max_pixels: int | None = None) -> dict[str, Any]:
        """Convert to a chat message of transformers, with decoded media."""
        content = [to_template_content(part, max_pixels) for part in self.parts]
        named = {
            "tool_calls": list(self.tool_calls),
            "name": self.tool_name,
            "tool_call_id": self.tool_call_id,
            "tools": list(self.tools),
        }
        return {"role": self.role, "content": content} | {k: v for k, v in named.items() if v}


@dataclass(frozen=True, kw_only=True)
class TextSample:
    """A prompt and its answers.

    Attributes:
        task: name of the task.
        messages: the prompt; the last message is the user's.
        answers: all accepted answers, of which the first is the training target; none for a prompt.
        source: file and line for errors and predictions, such as "rows.jsonl:17".
    """

    task: str
    messages: tuple[Message, ...]
    answers: tuple[str, ...]
    source: str

    def get_media(self) -> tuple[MediaFile, ...]:
        """Return all images and audio files, in order."""
        parts = [part for turn in self.messages for part in turn.parts]
        return tuple(part for part in parts if not isinstance(part, str))

    def get_last_user_text(self) -> str:
        """Return the text of the last user message."""
        return "\n".join(part for part in self.messages[-1].parts if isinstance(part, str))

    def to_chat_messages(self, max_pixels: int | None = None) -> list[dict[str, Any]]:
        """Convert the prompt to chat messages of transformers, with decoded media.

        Larger images are scaled down to at most `max_pixels`; None for no limit.

        Each is {"role": ..., "content": [...]} with parts {"type": "text", "text": str},
        {"type": "image", "image": PIL image} and {"type": "audio", "audio": float32 [time]}.
        Tool calls and the functions offered are beside them, see `Message`. Raises ValueError if a
        file cannot be decoded.
        """
        return [turn.to_chat_message(max_pixels) for turn in self.messages]

    def without_media(self) -> "TextSample":
        """Return the sample without media, to measure what the text alone predicts."""
        turns = [
            # A message with media only becomes an empty text: templates require at least one part.
            replace(turn, parts=tuple(p for p in turn.parts if isinstance(p, str)) or ("",))
            if turn.parts
            else turn
            for turn in self.messages
        ]
        return replace(self, messages=tuple(turns))


def describe_no_media(content: bytes) -> str:
    """Return what a file is that has no media, by its first bytes; "" if that is not known."""
    start = content[:64].lstrip().lower()
    return next((text for mark, text in NO_MEDIA.items() if start.startswith(mark)), "")


def to_template_content(part: str | MediaFile, max_pixels: int | None = None) -> dict[str, Any]:
    """Convert a part to the format of transformers' chat templates."""
    if isinstance(part, str):
        return {"type": "text", "text": part}
    return {"type": part.kind, part.kind: part.load(max_pixels)}
