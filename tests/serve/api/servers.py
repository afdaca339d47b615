"""A server in a thread of this process, on a free port."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from coterie.serve.api.app import make_app
from coterie.serve.api.server import listen
from coterie.serve.engine import InferenceEngine
from coterie.serve.limits import ServerLimits


@contextmanager
def running(
    engine: InferenceEngine, *, limits: ServerLimits | None = None, api_key: str | None = None
) -> Iterator[str]:
    """Yield the address of a server of the engine, which ends with the block."""
    with serving(make_app(engine, limits=limits, api_key=api_key)) as address:
        yield address


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Yield the address of a server of an application, which ends with the block."""
    # websockets, which uvicorn takes where it is installed, warns of its own age.
    config = uvicorn.Config(app, log_level="warning", ws="none", timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    with listen("127.0.0.1", 0) as listening:
        listening.listen()  # a request from now on waits for the thread
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            host, port = listening.getsockname()
            yield f"http://{host}:{port}"
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()
