"""`coterie serve`: a run behind an HTTP server with OpenAI's interface."""

from typing import Any

import click

from coterie.cli.device import announce_device, device_option
from coterie.cli.main import Subcommand
from coterie.cli.moved_run import moved_run_options, open_run


@click.command(cls=Subcommand)
@click.argument("run", metavar="RUN")
@click.option("--host", default="127.0.0.1", show_default=True, help="0.0.0.0: all addresses.")
@click.option("--port", default=8000, show_default=True, type=int, help="0: one that is free.")
@click.option("--api-key", envvar="COTERIE_API_KEY", help="What clients must send.")
@click.option("--batch-size", default=16, show_default=True, type=int, help="Answers at a time.")
@click.option("--waiting", default=256, show_default=True, type=int, help="More get 429.")
@click.option("--timeout", default=600.0, show_default=True, type=float, help="Seconds a request.")
@moved_run_options
@device_option
def serve(
    run: str,
    batch_size: int,
    waiting: int,
    timeout: float,
    base: str | None,
    tasks: str | None,
    device: str | None,
    **options: Any,
) -> None:
    """Answer prompts over HTTP, in OpenAI's interface.

    Each task is a model of its name; `auto` is there too where no gate asks for the task. Requests
    of all tasks share one batch. The page, at the address without /v1, shows which experts each
    token used; of a run with dense tasks, the map of each. The key is better in COTERIE_API_KEY
    than on the command line, which others on the machine can read. Needs the extra `serve`.

    \b
    Examples:
      coterie serve runs/rode
      coterie serve runs/rode --host 0.0.0.0 --port 8080
      curl localhost:8000/v1/chat/completions -H 'Content-Type: application/json' \\
          -d '{"model": "ocr", "messages": [{"role": "user", "content": "..."}]}'
    """
    from coterie.serve import serve as serve_run
    from coterie.serve.limits import ServerLimits

    if batch_size < 1:
        raise ValueError(f"--batch-size {batch_size}: give at least 1")
    limits = ServerLimits(waiting=waiting, request_s=timeout)
    chosen = announce_device(device)
    opened = open_run(run, base=base, tasks=tasks)
    serve_run(opened, batch_size=batch_size, limits=limits, device=chosen, **options)
