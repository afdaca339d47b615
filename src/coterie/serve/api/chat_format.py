"""Answers in the format of /v1/chat/completions, whole and in pieces."""

import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from coterie.serve.api.answering import Answering, Numbered
from coterie.serve.api.event_stream import Event
from coterie.serve.api.routing_format import RoutingFormat
from coterie.serve.api.token_logprobs import list_logprobs
from coterie.serve.job import Job
from coterie.serve.routing_record import RoutingPass


@dataclass(frozen=True, kw_only=True)
class ChatFormat:
    """The format of one request's answers.

    Attributes:
        model: the name that was asked.
        decode: makes text of tokens.
        includes_usage: a last piece has the numbers of tokens.
        routing: of the answers that come with the experts of their tokens.
    """

    model: str
    decode: Callable[[list[int]], str]
    routing: RoutingFormat
    includes_usage: bool = False
    id: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))

    def format_whole(self, answering: Answering) -> dict[str, Any]:
        """Return the response when all answers are whole."""
        choices = [self._format_choice(*each) for each in enumerate(answering.jobs)]
        return self._wrap("chat.completion", choices) | {"usage": count_usage(answering)}

    def _format_choice(self, number: int, job: Job) -> dict[str, Any]:
        message = {"role": "assistant", "content": job.text.text, "refusal": None}
        logprobs = None
        if job.sampling.top_logprobs is not None:
            shown = [each for each in job.chosen if each.token not in job.ends]
            logprobs = {"content": list_logprobs(shown, self.decode), "refusal": None}
        choice = {"index": number, "message": message, "logprobs": logprobs,
                  "finish_reason": job.reason}  # fmt: skip
        if job.records_routing:
            choice["routing"] = self.routing.format_all(job.routing)
        return choice

    async def format_pieces(
        self, pieces: AsyncIterator[Numbered], answering: Answering
    ) -> AsyncIterator[Event]:
        """Yield the events of a stream."""
        for number in range(len(answering.jobs)):
            first = {"role": "assistant", "content": "", "refusal": None}
            yield None, self._format_delta(number, first, None, None)
        has_read: set[int] = set()
        async for number, piece in pieces:
            job, logprobs = answering.jobs[number], None
            if piece.routing is not None:
                yield None, self._format_read(number, piece.routing, number not in has_read)
                has_read.add(number)
            chosen = piece.token
            if chosen is not None and chosen.logprob is not None and chosen.token not in job.ends:
                logprobs = {"content": list_logprobs([chosen], self.decode), "refusal": None}
            if piece.text or logprobs:
                yield None, self._format_delta(number, {"content": piece.text}, logprobs, None)
            if piece.reason is not None:
                yield None, self._format_delta(number, {}, None, piece.reason)
        if self.includes_usage:
            usage = {"usage": count_usage(answering)}
            yield None, self._wrap("chat.completion.chunk", []) | usage
        yield None, "[DONE]"

    def _format_read(self, number: int, read: RoutingPass, is_first: bool) -> dict[str, Any]:
        chunk = self._format_delta(number, {}, None, None)
        chunk["choices"][0]["routing"] = self.routing.format_pass(read, is_first=is_first)
        return chunk

    def _format_delta(
        self, number: int, delta: Mapping[str, Any], logprobs: Any, reason: str | None
    ) -> dict[str, Any]:
        choice = {"index": number, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
        return self._wrap("chat.completion.chunk", [choice])

    def _wrap(self, kind: str, choices: list[Any]) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model,
                "choices": choices}  # fmt: skip


def count_usage(answering: Answering) -> dict[str, int]:
    """Return the numbers of tokens."""
    prompt, completion = answering.prompt_tokens, answering.completion_tokens
    return {"prompt_tokens": prompt, "completion_tokens": completion,
            "total_tokens": prompt + completion}  # fmt: skip
