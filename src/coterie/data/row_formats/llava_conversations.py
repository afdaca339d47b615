"""Rows of conversations in the format of LLaVA."""

from collections.abc import Mapping
from typing import ClassVar

from coterie.data.row_formats.base import DialogueFormat
from coterie.data.sample import Role


class LlavaConversations(DialogueFormat):
    """{"image": "a.png", "conversations": [{"from": "human", "value": "<image>\\nWhat?"}, ...]}.

    Images and audio files must match the <image> and <audio> placeholders one to one.
    """

    field: ClassVar[str] = "conversations"
    items: ClassVar[str] = "turns"
    role_key: ClassVar[str] = "from"
    content_key: ClassVar[str] = "value"
    roles: ClassVar[Mapping[str, Role]] = {
        "system": "system", "human": "user", "gpt": "assistant"
    }  # fmt: skip
