"""`Asked`: what both of OpenAI's interfaces ask for, and the fields that both have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict

from coterie.annotations import format_suggestions
from coterie.data.sample import Message
from coterie.serve.api.api_error import ApiError
from coterie.serve.api.content_parts import check_text, parse_content
from coterie.serve.limits import ServerLimits

ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
"""Role in a request -> role in a chat template."""
REFUSED = (
    "tools", "tool_choice", "functions", "function_call", "response_format", "logit_bias",
    "frequency_penalty", "presence_penalty", "audio", "prediction", "previous_response_id",
    "conversation", "background", "prompt", "best_of", "modalities", "web_search_options",
    # Other servers' own.
    "top_k", "min_p", "typical_p", "repetition_penalty", "length_penalty", "use_beam_search",
    "min_tokens", "ignore_eos", "stop_token_ids", "bad_words", "echo", "suffix", "chat_template",
    "chat_template_kwargs", "add_generation_prompt", "continue_final_message", "documents",
    "guided_json", "guided_regex", "guided_choice", "guided_grammar", "structured_outputs",
    "truncate_prompt_tokens", "prompt_logprobs", "return_token_ids",
)  # fmt: skip
"""Fields that would change an answer, and are not read here."""
HARMLESS: Mapping[str, tuple[Any, ...]] = {
    "response_format": ({"type": "text"},), "tool_choice": ("none",), "best_of": (1,), "n": (1,),
    "modalities": (["text"],), "top_k": (-1,), "typical_p": (1,), "repetition_penalty": (1,),
    "length_penalty": (1,), "add_generation_prompt": (True,),
}  # fmt: skip
"""Values that ask for what is done anyway, beside null, 0, false and empty ones."""
UNREAD = (
    "user", "safety_identifier", "metadata", "store", "service_tier", "prompt_cache_key",
    "prompt_cache_retention", "parallel_tool_calls", "max_tool_calls", "reasoning",
    "reasoning_effort", "verbosity", "truncation", "stream_options", "include",
)  # fmt: skip
"""Fields of the interfaces that change no answer of a model without tools."""
MESSAGE_REFUSED = ("tool_calls", "function_call", "tool_call_id", "audio")
"""Fields of a message that its text does not say, and are not read here."""


class Request(BaseModel):
    """The fields that both interfaces have; others are refused but for `UNREAD`."""

    model_config = ConfigDict(strict=True, extra="allow")

    model: str
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stream: bool | None = None
    top_logprobs: int | None = None
    columns: dict[str, str | list[str]] | None = None
    """coterie's own: other columns of the task's prompt than the question."""

    def check_unread(self) -> None:
        """Raise ApiError for a field that is not read and asks for something.

        So that a misspelt field, or one of the other interface, does not pass silently.
        """
        for name, value in (self.model_extra or {}).items():
            if not value or name in UNREAD or value in HARMLESS.get(name, ()):
                continue
            if name in REFUSED:
                problem, code = f"{name} is not supported by this server", "unsupported_parameter"
            else:
                near = format_suggestions(name[:60], type(self).model_fields)
                problem, code = f"there is no field {name[:60]!r}{near}", "unknown_parameter"
            raise ApiError(f"{problem}: leave it out", param=name[:60], code=code)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a request asks for.

    Attributes:
        sampling: options of `Sampling` that were given.
        max_tokens: None for as many as the task's answers have.
        max_tokens_field: the field that says so, for errors.
        answers: how many.
        columns: of the task's prompt, beside the question.
        routing: whether the answer comes with the experts that its tokens used.
    """

    model: str
    messages: tuple[Message, ...]
    sampling: Mapping[str, Any]
    max_tokens: int | None = None
    max_tokens_field: str = "max_tokens"
    answers: int = 1
    columns: Mapping[str, str | list[str]] = field(default_factory=dict)
    routing: bool = False


def check_message(extra: Mapping[str, Any] | None, place: str) -> None:
    """Raise ApiError for a field of a message that would be lost."""
    for name in MESSAGE_REFUSED:
        if (extra or {}).get(name):
            raise ApiError(
                f"{place}.{name} is not supported by this server: write what the model is to read "
                "into the content", param=f"{place}.{name}", code="unsupported_parameter",
            )  # fmt: skip


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
    check_totals(found, limits, field)
    return tuple(found)


def check_totals(messages: Sequence[Message], limits: ServerLimits, field: str) -> None:
    """Raise ApiError for more texts, or pictures and sounds, than are read."""
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
