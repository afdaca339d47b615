"""`coterie diagnose`: do the tasks pull the weights in different directions?"""

from pathlib import Path
from typing import Any

import click

from coterie.cli.verb import make_subcommand

PICTURES = (".png", ".svg", ".pdf")


@make_subcommand()
@click.argument("model", metavar="BASE|RUN")
@click.option("--tasks", metavar="FILE", help="As in `coterie train`; left out, a run's own.")
@click.option("--batches", default=4, show_default=True, type=int, help="Batches a task.")
@click.option("--batch-size", default=8, show_default=True, type=int, help="Samples a batch.")
@click.option("--seed", default=0, show_default=True, type=int, help="Of the batches.")
@click.option("--to", metavar="FILE", help="Write a picture (.png, .svg, .pdf) or the numbers.")
def diagnose(model: str, tasks: str | None, to: str | None, **options: Any) -> None:
    """Measures the conflict between tasks, before training or after.

    It compares the tasks' gradients in each group of layers, and tries what one step on one task
    does to the others' losses. Of tasks on pictures, ask a run: a bare base's heads know nothing.

    \b
    Examples:
      coterie diagnose embedded --tasks pantry
      coterie diagnose Qwen/Qwen2-VL-2B-Instruct --tasks tasks.yaml --to conflict.png
      coterie diagnose runs/rode --tasks tasks.yaml --to runs/rode/conflict.json
      coterie diagnose runs/dense --to conflict.svg
    """
    from coterie.cli.chosen import load_task_set
    from coterie.diagnose import diagnose as measure
    from coterie.train.run_directory import RunDirectory

    given = {} if tasks is None else load_task_set(tasks)
    if given.get("pictures") and not RunDirectory(Path(model)).is_run:
        options["vision"] = given.get("vision")
    conflict = measure(model, given.get("pictures") or given.get("tasks"), **options)
    click.echo(conflict.summary)
    if to is not None:
        if Path(to).suffix in PICTURES:
            conflict.draw_figure().savefig(to)
        else:
            conflict.save(to)
        click.echo(f"written to {to}")
