"""Answers in the format of /v1/responses, whole and in pieces."""

import secrets
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from coterie.serve.api.answering import Answering, Numbered
from coterie.serve.api.event_stream import Event
from coterie.serve.api.token_logprobs import list_logprobs
from coterie.serve.job import Job


@dataclass(frozen=True, kw_only=True)
class ResponsesFormat:
    """The format of one request's answer.

    Attributes:
        model: the name that was asked.
        decode: makes text of tokens.
        settings: what the response repeats of the request.
    """

    model: str
    decode: Callable[[list[int]], str]
    settings: dict[str, Any]
    id: str = field(default_factory=lambda: f"resp_{secrets.token_hex(12)}")
    message_id: str = field(default_factory=lambda: f"msg_{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))

    def format_whole(self, answering: Answering) -> dict[str, Any]:
        """Return the response when the answer is whole."""
        (job,) = answering.jobs
        is_cut = job.reason == "length"
        usage = {
            "input_tokens": answering.prompt_tokens,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": answering.completion_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": answering.prompt_tokens + answering.completion_tokens,
        }
        return self._wrap("incomplete" if is_cut else "completed") | {
            "output": [self._format_message(job)],
            "incomplete_details": {"reason": "max_output_tokens"} if is_cut else None,
            "usage": usage,
        }

    async def format_pieces(
        self, pieces: AsyncIterator[Numbered], answering: Answering
    ) -> AsyncIterator[Event]:
        """Yield the events of a stream."""
        numbers, (job,) = count(), answering.jobs
        place = {"item_id": self.message_id, "output_index": 0, "content_index": 0}

        def make(kind: str, **data: Any) -> Event:
            return kind, {"type": kind, "sequence_number": next(numbers), **data}

        yield make("response.created", response=self._wrap("in_progress"))
        yield make("response.in_progress", response=self._wrap("in_progress"))
        empty = self._format_message(job) | {"status": "in_progress", "content": []}
        yield make("response.output_item.added", output_index=0, item=empty)
        part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        yield make("response.content_part.added", **place, part=part)
        async for _, piece in pieces:
            if piece.text:
                chosen = [] if piece.token is None else [piece.token]
                logprobs = list_logprobs(chosen, self.decode)
                yield make("response.output_text.delta", **place, delta=piece.text,
                           logprobs=logprobs)  # fmt: skip
        part = self._format_part(job)
        yield make("response.output_text.done", **place, text=part["text"],
                   logprobs=part["logprobs"])  # fmt: skip
        yield make("response.content_part.done", **place, part=part)
        item = self._format_message(job)
        yield make("response.output_item.done", output_index=0, item=item)
        whole = self.format_whole(answering)
        yield make(f"response.{whole['status']}", response=whole)

    def _format_message(self, job: Job) -> dict[str, Any]:
        status = "incomplete" if job.reason == "length" else "completed"
        return {"type": "message", "id": self.message_id, "status": status, "role": "assistant",
                "content": [self._format_part(job)]}  # fmt: skip

    def _format_part(self, job: Job) -> dict[str, Any]:
        shown = [each for each in job.chosen if each.token not in job.ends]
        return {"type": "output_text", "text": job.text.text, "annotations": [],
                "logprobs": list_logprobs(shown, self.decode)}  # fmt: skip

    def _wrap(self, status: str) -> dict[str, Any]:
        fixed = {"parallel_tool_calls": False, "tool_choice": "none", "tools": [], "error": None,
                 "incomplete_details": None, "metadata": {}, "output": [], "usage": None,
                 "text": {"format": {"type": "text"}}}  # fmt: skip
        return {"id": self.id, "object": "response", "created_at": self.created,
                "model": self.model, "status": status, **fixed, **self.settings}  # fmt: skip
