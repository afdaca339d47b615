"""`BoundedBody`: an ASGI application that gets each request's body whole, or not at all."""

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from coterie.serve.api.api_error import ApiError
from coterie.serve.limits import ServerLimits

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


class BoundedBody:
    """Reads each body up to the limits of bytes and time, before the application is called."""

    def __init__(self, app: Application, limits: ServerLimits) -> None:
        self.app, self.limits = app, limits

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            self._check_header(scope)
            async with asyncio.timeout(self.limits.body_s):
                body = await self._read(receive)
        except ApiError as error:
            await send_error(send, error)
            return
        except TimeoutError:
            seconds = f"{self.limits.body_s:g}"
            await send_error(send, ApiError(f"the body took over {seconds} s", status=408))
            return
        if body is None:  # the client has gone
            return
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return messages.pop() if messages else await receive()

        await self.app(scope, replay, send)

    def _check_header(self, scope: MutableMapping[str, Any]) -> None:
        """Refuse a body that says itself that it is too large."""
        given = dict(scope["headers"]).get(b"content-length", b"0")
        if given.isdigit() and int(given) > self.limits.body_bytes:
            raise self._make_error()

    async def _read(self, receive: Receive) -> bytes | None:
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            if len(body) > self.limits.body_bytes:
                raise self._make_error()
            if not message.get("more_body", False):
                return bytes(body)

    def _make_error(self) -> ApiError:
        limit = self.limits.body_bytes
        return ApiError(f"the body has more than {limit} bytes, which is the most that is read",
                        status=413, code="body_too_large")  # fmt: skip


async def send_error(send: Send, error: ApiError) -> None:
    """Send a refusal as the whole response, and close the connection."""
    body = json.dumps(error.to_body()).encode()
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
