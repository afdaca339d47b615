"""`EventStream`: a response of server-sent events, which ends when the client leaves."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

from starlette.responses import Response

from coterie.serve.api.bounded_body import Receive, Send

Event = tuple[str | None, Mapping[str, Any] | str]
"""The event's name, or None, and its data: an object, or text such as "[DONE]"."""


class EventStream(Response):
    """Server-sent events; the generator is closed at the end, or when the client leaves.

    Starlette's own asks the server, of some versions, in a way that says nothing of clients that
    left while the next event is waited for.
    """

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[Event]) -> None:
        super().__init__(headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self.events = events

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        sending = asyncio.create_task(self._send(send, start))
        leaving = asyncio.create_task(wait_until_left(receive))
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)

    async def _send(self, send: Send, start: dict[str, Any]) -> None:
        async with aclosing(self.events) as events:  # pyright: ignore[reportArgumentType] - generators
            await send(start)
            async for name, data in events:
                text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
                head = "" if name is None else f"event: {name}\n"
                body = f"{head}data: {text}\n\n".encode()
                await send({"type": "http.response.body", "body": body, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def wait_until_left(receive: Receive) -> None:
    """Return when the client has closed the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass
