"""`coterie diagnose`: measure gradient conflict between tasks."""

from pathlib import Path
from typing import Any

import click

from coterie.cli.device import announce_device, device_option
from coterie.cli.main import Subcommand
from coterie.cli.moved_run import base_option
from coterie.cli.output_file import check_writable

FIGURE_SUFFIXES = (".png", ".svg", ".pdf")


@click.command(cls=Subcommand)
@click.argument("model", metavar="BASE|RUN")
@click.option("--tasks", metavar="FILE", help="As in `coterie train`.  [default: a run's own]")
@click.option("--batches", default=4, show_default=True, type=int, help="Batches of each task.")
@click.option("--batch-size", default=8, show_default=True, type=int, help="Samples a batch.")
@click.option("--seed", default=0, show_default=True, type=int, help="Of the samples.")
@click.option(
    "--to", metavar="FILE", help="Write a figure (.png, .svg, .pdf) or the numbers (.json)."
)
@base_option
@device_option
def diagnose(
    model: str,
    tasks: str | None,
    to: str | None,
    base: str | None,
    device: str | None,
    **options: Any,
) -> None:
    """Measure the conflict between tasks, before training or after.

    It compares the tasks' gradients in each group of layers, and measures what a step on one task
    does to the others' losses. Of dense tasks, give a run: the heads of a base are not trained.

    \b
    Examples:
      coterie diagnose embedded --tasks pantry
      coterie diagnose Qwen/Qwen2-VL-2B-Instruct --tasks tasks.yaml --to conflict.png
      coterie diagnose runs/rode --tasks tasks.yaml --to runs/rode/conflict.json
      coterie diagnose runs/dense --to conflict.svg
    """
    from coterie.diagnose import diagnose as measure
    from coterie.diagnose.plots import draw_conflict
    from coterie.io import write_with
    from coterie.task_file import read_tasks
    from coterie.train.run import Run

    suffixes = (*FIGURE_SUFFIXES, ".json")
    if to is not None and not (Path(to).is_dir() or Path(to).suffix.lower() in suffixes):
        raise ValueError(
            f"--to {to}: the conflict is written as a figure ({', '.join(FIGURE_SUFFIXES)}) or as "
            "numbers (.json): name such a file"
        )
    if to is not None:
        check_writable(Path(to))
    chosen = announce_device(device)
    given = None if tasks is None else read_tasks(tasks)
    opened = model if base is None else Run.read(model, base=base)
    conflict = measure(opened, given, device=chosen, **options)
    click.echo(conflict.summary)
    if to is not None:
        if Path(to).suffix.lower() in FIGURE_SUFFIXES:
            figure, kind = draw_conflict(conflict), Path(to).suffix[1:].lower()
            write_with(Path(to), lambda file: figure.savefig(file, format=kind))
        else:
            conflict.save(to)
        click.echo(f"written to {to}")
