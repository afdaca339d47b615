"""Rows of conversations in the formats of LLaVA and ShareGPT."""

from typing import Any, ClassVar

from coterie.data.row_formats.base import DialogueFormat
from coterie.data.row_formats.fields import Row


class LlavaConversations(DialogueFormat):
    """{"image": "a.png", "conversations": [{"from": "human", "value": "<image>\\nWhat?"}, ...]}.

    Images, videos and audio files must match their placeholders one to one.
    """

    field: ClassVar[str] = "conversations"
    order: ClassVar[int] = 1

    def get_turns(self, row: Row) -> Any:
        return row.get(self.field)
