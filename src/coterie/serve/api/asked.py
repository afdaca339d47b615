"""`Asked`: what both of OpenAI's interfaces ask for, and the fields that both have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict

from coterie.data.sample import Message
from coterie.serve.api.api_error import ApiError
from coterie.serve.api.content_parts import check_text, parse_content
from coterie.serve.limits import ServerLimits

ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
"""Role in a request -> role in a chat template."""
REFUSED = (
    "tools", "tool_choice", "functions", "function_call", "response_format", "logit_bias",
    "frequency_penalty", "presence_penalty", "audio", "prediction", "previous_response_id",
    "conversation", "background", "prompt", "best_of",
)  # fmt: skip
"""Fields that would change an answer, and are not read here."""
HARMLESS: Mapping[str, Any] = {
    "response_format": {"type": "text"}, "tool_choice": "none",
}  # fmt: skip
"""Values of these that ask for what is done anyway, beside null, 0, false and empty ones."""


class Request(BaseModel):
    """The fields that both interfaces have; unknown ones are passed over unless `REFUSED`."""

    model_config = ConfigDict(strict=True, extra="allow")

    model: str
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stream: bool | None = None
    top_logprobs: int | None = None
    columns: dict[str, str | list[str]] | None = None
    """coterie's own: other columns of the task's prompt than the question."""

    def check_refused(self) -> None:
        """Raise ApiError for a field that would change the answer and is not read."""
        for name, value in (self.model_extra or {}).items():
            if name in REFUSED and value and value != HARMLESS.get(name):
                raise ApiError(
                    f"{name} is not supported by this server: leave it out", param=name,
                    code="unsupported_parameter",
                )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a request asks for.

    Attributes:
        sampling: options of `Sampling` that were given.
        max_tokens: None for as many as the task's answers have.
        answers: how many.
        columns: of the task's prompt, beside the question.
        routing: whether the answer comes with the experts that its tokens used.
    """

    model: str
    messages: tuple[Message, ...]
    sampling: Mapping[str, Any]
    max_tokens: int | None = None
    answers: int = 1
    columns: Mapping[str, str | list[str]] = field(default_factory=dict)
    routing: bool = False


def parse_messages(
    given: Sequence[tuple[str, Any]], limits: ServerLimits, field: str
) -> tuple[Message, ...]:
    """Return the messages of (role, content) pairs.

    Raises ApiError, which names the field, for a conversation that is none, or exceeds a limit.
    """
    if not 0 < len(given) <= limits.messages:
        raise ApiError(
            f"{field} has {len(given)} messages: give 1 to {limits.messages}", param=field
        )
    found = []
    for number, (role, content) in enumerate(given):
        place = f"{field}[{number}]"
        if role not in ROLES:
            allowed = ", ".join(ROLES)
            problem = f"{place}.role is {role[:40]!r}: give one of {allowed}"
            raise ApiError(problem, param=f"{place}.role")
        parts = parse_content(content, limits, f"{place}.content")
        if not parts or parts == ("",):
            raise ApiError(f"{place}.content is empty", param=f"{place}.content")
        found.append(Message(role=ROLES[role], parts=parts))  # pyright: ignore[reportArgumentType] - its values are roles
    if found[-1].role != "user":
        raise ApiError(f"{field}: the last message is not the user's", param=field)
    _check_totals(found, limits, field)
    return tuple(found)


def _check_totals(messages: Sequence[Message], limits: ServerLimits, field: str) -> None:
    parts = [part for message in messages for part in message.parts]
    texts = [part for part in parts if isinstance(part, str)]
    if (characters := sum(map(len, texts))) > limits.prompt_characters:
        raise ApiError(
            f"{field} has {characters} characters: at most {limits.prompt_characters} are read",
            param=field, code="context_length_exceeded",
        )  # fmt: skip
    if (media := len(parts) - len(texts)) > limits.media:
        problem = f"{field} has {media} pictures and sounds: at most {limits.media} are read"
        raise ApiError(problem, param=field)


def parse_columns(columns: Mapping[str, Any] | None) -> Mapping[str, str | list[str]]:
    """Return columns of texts. Raises ApiError for one that cannot be encoded."""
    for name, value in (columns or {}).items():
        for text in [name, *([value] if isinstance(value, str) else value)]:
            check_text(text, f"columns.{name[:40]!r}")
    return columns or {}
