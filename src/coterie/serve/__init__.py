"""Inference with trained runs: many prompts at a time, from Python, files or over HTTP."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from coterie.serve.limits import ServerLimits
    from coterie.train.run import Run

__all__ = ["serve"]


def serve(
    run: "Run | str | Path",
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    api_key: str | None = None,
    batch_size: int = 16,
    limits: "ServerLimits | None" = None,
    device: "str | torch.device | None" = None,
) -> None:
    """Answer prompts over HTTP, in OpenAI's interface, until Ctrl-C or SIGTERM.

    Each task of the run is a model of its name, and at `/` is a page; dense tasks are answered with
    maps. What was begun is answered before it returns.

    Args:
        run: a finished run, or its folder.
        host: the address to listen at; "0.0.0.0" for all of the machine's.
        port: 0 for one that is free.
        api_key: what clients must send as a bearer token; None for no check.
        batch_size: answers that are generated at a time.
        limits: of requests; None for the defaults.
        device: see `coterie.devices.choose_device`; None for an accelerator where there is one.

    Raises ValueError if the run is not finished, the address cannot be listened at, or the extra
    `serve` is not installed.
    """
    # fastapi and the engine are imported when something is served.
    from coterie.serve.api.server import run_server

    options: dict[str, Any] = {"host": host, "port": port, "api_key": api_key, "device": device}
    run_server(run, batch_size=batch_size, limits=limits, **options)
