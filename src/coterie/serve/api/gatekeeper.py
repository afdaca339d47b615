"""`Gatekeeper`: an ASGI application in front of another, which asks for the key and counts."""

import hmac
import time
from collections.abc import Collection, MutableMapping
from typing import Any

from coterie.serve.api.api_error import ApiError
from coterie.serve.api.bounded_body import Application, Message, Receive, Send, send_error
from coterie.serve.api.metrics import Metrics

OPEN_PATHS = ("/healthz", "/")
"""What is answered without a key; the page asks for it."""
OPEN_FOLDERS = ("/page/", "/report/")
"""As `OPEN_PATHS`, with all below. The report's own name in its folder is a secret."""
MODEL = "coterie_model"
"""The key of a request's scope under which the model that it asked stands."""


class Gatekeeper:
    """Refuses requests without the key, before their body is read, and counts all."""

    def __init__(
        self, app: Application, api_key: str | None, metrics: Metrics, paths: Collection[str]
    ) -> None:
        """Stand before an application.

        Args:
            app: the application.
            api_key: what clients must send as a bearer token; None for no check.
            metrics: what counts requests.
            paths: the names under which they are counted, so that a client cannot make new ones.
        """
        self.app, self.metrics, self.paths = app, metrics, paths
        self.expected = None if api_key is None else f"Bearer {api_key}".encode()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.monotonic(), 500

        async def count_and_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            if self._is_allowed(scope):
                await self.app(scope, receive, count_and_send)
            else:
                error = ApiError("the API key is missing or wrong", status=401,
                                 code="invalid_api_key")  # fmt: skip
                await send_error(count_and_send, error)
        finally:
            path = scope["path"] if scope["path"] in self.paths else "other"
            seconds = time.monotonic() - started
            self.metrics.count_request(path, scope.get(MODEL, ""), status, seconds)

    def _is_allowed(self, scope: MutableMapping[str, Any]) -> bool:
        path = scope["path"]
        if self.expected is None or path in OPEN_PATHS or path.startswith(OPEN_FOLDERS):
            return True
        given = dict(scope["headers"]).get(b"authorization", b"")
        # In a time that does not tell how much of a guess is right.
        return hmac.compare_digest(given, self.expected)
