"""`ChatRequest`: the body of /v1/chat/completions."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from coterie.serve.api.api_error import ApiError
from coterie.serve.api.asked import (
    Asked,
    Request,
    check_message,
    parse_columns,
    parse_messages,
)
from coterie.serve.limits import ServerLimits


class ChatMessage(BaseModel):
    """A message; its content is a text or parts, see `parse_content`."""

    model_config = ConfigDict(strict=True, extra="allow")

    role: str
    content: str | list[dict[str, Any]] | None = None


class StreamOptions(BaseModel):
    """`include_usage`: a last piece has the numbers of tokens."""

    include_usage: bool | None = None


class ChatRequest(Request):
    """The body of /v1/chat/completions."""

    messages: list[ChatMessage] = Field(min_length=1)
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = None
    stop: str | list[str] | None = None
    logprobs: bool | None = None
    stream_options: StreamOptions | None = None
    routing: bool | None = None
    """coterie's own: which experts each token used, see `RoutingFormat`."""

    def parse(self, limits: ServerLimits) -> Asked:
        """Return what is asked for. Raises ApiError for what cannot be done."""
        self.check_unread()
        stop = [self.stop] if isinstance(self.stop, str) else self.stop or []
        if self.top_logprobs is not None and not self.logprobs:
            raise ApiError("top_logprobs needs logprobs: true", param="top_logprobs")
        answers = 1 if self.n is None else self.n
        if not 1 <= answers <= limits.answers:
            raise ApiError(f"n={answers}: give 1 to {limits.answers}", param="n")
        given = {"temperature": self.temperature, "top_p": self.top_p, "seed": self.seed}
        sampling: dict[str, Any] = {k: v for k, v in given.items() if v is not None}
        if self.logprobs:
            sampling["top_logprobs"] = self.top_logprobs or 0
        for number, message in enumerate(self.messages):
            check_message(message.model_extra, f"messages[{number}]")
        pairs = [(message.role, message.content) for message in self.messages]
        is_new = self.max_completion_tokens is not None
        return Asked(
            model=self.model,
            messages=parse_messages(pairs, limits, "messages"),
            sampling=sampling | {"stop": tuple(stop)},
            max_tokens=self.max_completion_tokens if is_new else self.max_tokens,
            max_tokens_field="max_completion_tokens" if is_new else "max_tokens",
            answers=answers,
            columns=parse_columns(self.columns),
            routing=bool(self.routing),
        )
