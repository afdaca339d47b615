"""`coterie evaluate`: score a run on held-out rows."""

import shlex
from pathlib import Path
from typing import Any

import click

from coterie.cli.device import announce_device, device_option
from coterie.cli.main import Subcommand
from coterie.cli.moved_run import moved_run_options, open_run


@click.command(cls=Subcommand)
@click.argument("run", metavar="RUN")
@click.option("--split", default="test", show_default=True, help="Which rows.")
@click.option("--limit", type=int, help="Rows a task, at most.")
@click.option("--batch-size", default=16, show_default=True, type=int, help="Answers at a time.")
@click.option("--blind", is_flag=True, help="Without pictures and sounds: what words alone give.")
@click.option("--without", multiple=True, metavar="SENSOR", help="Without it; can be repeated.")
@click.option("--untrained", is_flag=True, help="The model as it was before training.")
@click.option(
    "--skip-bad-rows", is_flag=True, default=None, help="Leave bad rows out, and list them."
)
@moved_run_options
@click.option("--to", metavar="DIR", help="Write there, not into the run's folder.")
@device_option
def evaluate(
    run: str,
    base: str | None,
    tasks: str | None,
    to: str | None,
    device: str | None,
    **options: Any,
) -> None:
    """Score a run on its tasks, with 95 % intervals.

    Writes scores.json, predictions/ and routing.json into the run's folder; --blind, --without
    and --untrained write their own, beside them. --base and --tasks are for a run that has moved,
    --to for one that may not be written to.

    \b
    Examples:
      coterie evaluate runs/rode
      coterie evaluate runs/rode --blind
      coterie evaluate runs/rgbd --without depth
      coterie evaluate runs/rode --split validation --limit 100
      coterie evaluate /shared/rode --base models/qwen --tasks tasks.yaml --to runs/rode-here
      torchrun --nproc-per-node 2 -m coterie evaluate runs/rode
    """
    from coterie.distributed import is_rank_zero
    from coterie.evaluate import evaluate as score

    chosen = announce_device(device)
    opened = open_run(run, base=base, tasks=tasks, to=to)
    scores = score(opened, device=chosen, **options)
    if is_rank_zero():
        click.echo(scores.to_markdown())
        click.echo(f"\n{describe_controls(run, base=base, tasks=tasks, to=to)}")


def describe_controls(run: str, **moved: str | None) -> str:
    """Return what the run has over its controls, or how to evaluate one, with the same options."""
    from coterie.report import summarize
    from coterie.train.run_directory import RunDirectory

    folder = moved.get("to") or run
    directory = RunDirectory(Path(folder).expanduser())
    if directory.list_controls():
        return summarize(folder)
    given = [part for key, value in moved.items() if value for part in (f"--{key}", value)]
    command = shlex.join(["coterie", "evaluate", run, *given, "--untrained"])
    return f"next: {command}, to see what training added"
