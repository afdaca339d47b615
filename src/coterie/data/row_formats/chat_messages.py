"""Rows of chat messages in the formats of transformers, TRL and OpenAI."""

from typing import Any, ClassVar

from coterie.data.row_formats.base import DialogueFormat
from coterie.data.row_formats.fields import Row


class ChatMessages(DialogueFormat):
    """{"messages": [{"role": "user", "content": ...}, ...]}; content is text or a list of parts.

    Parts are {"type": "text", "text": ...} or {"type": "image"} with the image under "image",
    "path" or "url", or under "image_url" as OpenAI has it, or, as in TRL, next in the column
    `images`; likewise for audio and video. If no text and no part has a placeholder, the columns'
    media are prepended to the first user turn.
    """

    field: ClassVar[str] = "messages"
    prepends_media: ClassVar[bool] = True

    def get_turns(self, row: Row) -> Any:
        return row.get(self.field)
