"""`run_server`: a run behind an HTTP server, until it is stopped."""

import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coterie.optional_imports import import_optional
from coterie.serve.dense_engine import DenseEngine
from coterie.serve.engine import InferenceEngine
from coterie.serve.limits import ServerLimits
from coterie.tasks.dense.task_set import DenseTasks
from coterie.train.run import Run

if TYPE_CHECKING:
    import torch

LOCAL = ("127.0.0.1", "::1", "localhost")


def run_server(
    run: "Run | str | Path",
    *,
    host: str,
    port: int,
    api_key: str | None,
    batch_size: int,
    limits: ServerLimits | None,
    device: "str | torch.device | None",
) -> None:
    """Serve a run; see `coterie.serve`."""
    uvicorn: Any = import_optional("uvicorn", "serve")
    import_optional("fastapi", "serve")

    check_key(api_key)
    limits = limits or ServerLimits()
    with listen(host, port) as listening:  # before a model is loaded for nothing
        app = load_app(run, api_key=api_key, batch_size=batch_size, limits=limits, device=device)
        listening.listen()  # who asks once it is announced waits until uvicorn accepts
        port = listening.getsockname()[1]
        print(describe(host, port, app.state.names, has_key=api_key is not None),
              file=sys.stderr, flush=True)  # fmt: skip
        config = uvicorn.Config(
            app, log_level="warning", server_header=False, ws="none",
            # Each may hold a body in memory; of more, uvicorn refuses with 503.
            limit_concurrency=2 * (limits.waiting + batch_size),
            timeout_graceful_shutdown=max(1, round(limits.shutdown_s)),
        )  # fmt: skip
        with suppress(KeyboardInterrupt):  # uvicorn raises it again when all has ended
            uvicorn.Server(config).run(sockets=[listening])


def load_app(
    run: "Run | str | Path",
    *,
    api_key: str | None,
    batch_size: int,
    limits: ServerLimits,
    device: "str | torch.device | None",
) -> Any:
    """Load a run, and return the application of its kind of tasks; see `coterie.serve`."""
    from coterie.serve.api.app import make_app
    from coterie.serve.api.dense_app import make_dense_app

    found = run if isinstance(run, Run) else Run.read(run)
    if isinstance(found.config.tasks, DenseTasks):
        dense = DenseEngine.from_run(found, device=device, batch_size=batch_size)
        return make_dense_app(dense, found, api_key=api_key, limits=limits)
    engine = InferenceEngine.from_run(
        found, device=device, max_rows=batch_size, max_waiting=limits.waiting
    )
    return make_app(engine, api_key=api_key, limits=limits)


def check_key(api_key: str | None) -> None:
    """Raise ValueError for a key that no header can have."""
    if api_key is not None and not (api_key.isascii() and api_key.isprintable() and api_key):
        raise ValueError("the API key is empty or has characters that no header has: give ASCII")


def listen(host: str, port: int) -> socket.socket:
    """Return a socket at an address. Raises ValueError if it cannot be had."""
    place = f"{host}:{port}"
    if not 0 <= port < 2**16:
        raise ValueError(f"port={port}: give 0 to {2**16 - 1}")
    try:
        family, kind, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        found = socket.socket(family, kind)
        try:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind(address)
        except OSError:
            found.close()
            raise
    except OSError as error:
        raise ValueError(f"{place} cannot be listened at: {error.strerror}") from None
    return found


def describe(host: str, port: int, names: tuple[str, ...], *, has_key: bool) -> str:
    """Return what a server says when it begins."""
    shown = f"[{host}]" if ":" in host else host
    root = f"http://{shown}:{port}"
    text = f"serving {', '.join(names)} at {root}/v1, and a page at {root}/; Ctrl-C ends"
    if has_key or host in LOCAL:
        return text
    return f"{text}\nwithout --api-key, whoever reaches {shown} can ask"
