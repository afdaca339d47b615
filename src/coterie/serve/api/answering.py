"""`Answering`: the answers to one request, from the engine's thread to the server's loop."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from coterie.serve.api.api_error import ApiError
from coterie.serve.api.asked import Asked
from coterie.serve.api.served_models import ServedModels
from coterie.serve.job import Job, Piece
from coterie.serve.scheduler import QueueFullError

LOGGER = logging.getLogger(__name__)
RETRY_AFTER_S = 1


class Numbered(NamedTuple):
    """A piece of the answer of this number."""

    number: int
    piece: Piece


class Answering:
    """The answers to one request, in pieces; whoever stops reading them cancels the rest."""

    def __init__(self, jobs: Sequence[Job], queue: "asyncio.Queue[Numbered]") -> None:
        self.jobs, self.queue = jobs, queue

    @classmethod
    async def begin(cls, served: ServedModels, asked: Asked) -> "Answering":
        """Encode the prompt and submit its answers.

        Raises ApiError for what cannot be answered, or if too many answers wait already.
        """
        scheduler = served.engine.scheduler
        # Before it is encoded, which is what costs; and again when it is submitted.
        if len(scheduler.waiting) + asked.answers > scheduler.max_waiting:
            raise make_busy_error()
        queue: asyncio.Queue[Numbered] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def report(number: int, piece: Piece) -> None:
            with suppress(RuntimeError):  # the loop was closed: nobody reads any more
                loop.call_soon_threadsafe(queue.put_nowait, Numbered(number, piece))

        jobs = await asyncio.to_thread(_make_jobs, served, asked, report)
        try:
            scheduler.submit(jobs)
        except QueueFullError:
            raise make_busy_error() from None
        return cls(jobs, queue)

    @property
    def prompt_tokens(self) -> int:
        return self.jobs[0].prompt_tokens

    @property
    def completion_tokens(self) -> int:
        """The tokens that were generated so far, in all answers."""
        return sum(len(job.chosen) for job in self.jobs)

    async def read(self, deadline_s: float) -> AsyncIterator[Numbered]:
        """Yield the pieces in the order in which they come.

        Raises ApiError if an answer fails, or at `deadline_s`, a time of the loop's clock.
        """
        remaining = len(self.jobs)
        try:
            while remaining:
                async with asyncio.timeout_at(deadline_s):
                    numbered = await self.queue.get()
                if numbered.piece.error is not None:
                    raise explain(numbered.piece.error)
                if numbered.piece.reason == "cancelled":
                    raise ApiError("the server was stopped", status=503, code="stopped")
                remaining -= numbered.piece.reason is not None
                yield numbered
        except TimeoutError:
            raise ApiError("the answer took too long", status=504, code="timeout") from None
        finally:
            self.cancel()

    def cancel(self) -> None:
        """Give up the answers that are not whole, and free their rows."""
        for job in self.jobs:
            job.is_cancelled = True


def _make_jobs(
    served: ServedModels, asked: Asked, report: Callable[[int, Piece], None]
) -> list[Job]:
    sample = served.make_sample(asked)
    samplings = served.make_sampling(asked, sample.task)
    engine = served.engine
    try:
        prompt = engine.encode(sample)
        make = partial(engine.make_job, sample, prompt=prompt, records_routing=asked.routing)
        return [make(each, report=partial(report, number)) for number, each in enumerate(samplings)]
    except ValueError as error:
        raise ApiError(str(error), param="messages") from None


def explain(error: Exception) -> ApiError:
    """Return the refusal of a prompt that the model could not answer."""
    if isinstance(error, ValueError):  # as of a prompt whose marks and pictures do not fit
        return ApiError(str(error)[:500])
    LOGGER.error("the model failed", exc_info=error)
    return ApiError("the model failed; the server's log says how", status=500)


def make_busy_error() -> ApiError:
    """Return the refusal of a request when too many wait."""
    headers = {"Retry-After": str(RETRY_AFTER_S)}
    return ApiError("too many answers wait: come again later", status=429, code="queue_full",
                    headers=headers)  # fmt: skip
