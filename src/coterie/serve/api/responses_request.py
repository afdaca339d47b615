"""`ResponsesRequest`: the body of /v1/responses, as far as text goes."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from coterie.data.sample import Message
from coterie.serve.api.api_error import ApiError
from coterie.serve.api.asked import (
    Asked,
    Request,
    check_message,
    check_totals,
    parse_columns,
    parse_messages,
)
from coterie.serve.api.content_parts import check_text
from coterie.serve.limits import ServerLimits

LOGPROBS = "message.output_text.logprobs"


class InputMessage(BaseModel):
    """An item of the input; only messages are taken."""

    model_config = ConfigDict(strict=True, extra="allow")

    type: str = "message"
    role: str = ""
    content: str | list[dict[str, Any]] | None = None


class ResponsesRequest(Request):
    """The body of /v1/responses."""

    input: str | list[InputMessage]
    instructions: str | None = None
    max_output_tokens: int | None = None
    include: list[str] | None = None
    text: dict[str, Any] | None = None
    routing: bool | None = None

    def parse(self, limits: ServerLimits) -> Asked:
        """Return what is asked for. Raises ApiError for what cannot be done."""
        self.check_unread()
        if self.routing:
            raise ApiError("routing comes with answers of /v1/chat/completions", param="routing")
        wanted = (self.text or {}).get("format")
        if wanted is not None and wanted != {"type": "text"}:
            raise ApiError("text.format is not supported but for {'type': 'text'}", param="text")
        items = [("user", self.input)] if isinstance(self.input, str) else self._list_messages()
        given = {"temperature": self.temperature, "top_p": self.top_p, "seed": self.seed}
        sampling: dict[str, Any] = {k: v for k, v in given.items() if v is not None}
        if LOGPROBS in (self.include or ()) or self.top_logprobs:
            sampling["top_logprobs"] = self.top_logprobs or 0
        messages = parse_messages(items, limits, "input")
        if self.instructions:
            text = check_text(self.instructions, "instructions")
            messages = (Message(role="system", parts=(text,)), *messages)
            check_totals(messages, limits, "instructions and input")
        return Asked(
            model=self.model,
            messages=messages,
            sampling=sampling,
            max_tokens=self.max_output_tokens,
            max_tokens_field="max_output_tokens",
            columns=parse_columns(self.columns),
        )

    def _list_messages(self) -> list[tuple[str, Any]]:
        assert not isinstance(self.input, str)
        for number, item in enumerate(self.input):
            if item.type != "message":
                given = f"input[{number}].type is {item.type[:40]!r}"
                raise ApiError(f"{given}: only messages are taken", param=f"input[{number}].type")
            check_message(item.model_extra, f"input[{number}]")
        return [(item.role, item.content) for item in self.input]
