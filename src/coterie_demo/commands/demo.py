"""`coterie demo`: diagnose, train, evaluate and report once, on embedded weights and data."""

from pathlib import Path

import click

from coterie.cli.main import Subcommand


@click.command(cls=Subcommand, resume="the same command goes on from there")
@click.option("--out", default="runs/demo", show_default=True, metavar="DIR", help="Where to.")
@click.option("--steps", type=int, help="Optimizer steps of each training.")
@click.option("--seed", default=0, show_default=True, type=int, help="Of everything random.")
def demo(out: str, steps: int | None, seed: int) -> None:
    """Show tasks in conflict and a remedy, from nothing.

    Four tasks of the embedded data have one prompt. It trains a LoRA for each, one for all, and a
    mixture of experts whose gate is given the task, of equally many trainable parameters within 1
    percent, on the same rows. They are scored on held-out rows; so are the untrained model, and
    the models of all tasks without their images. The conflict of the tasks' gradients is measured
    before training and afterwards. Steps that were completed before are not repeated.

    \b
    Examples:
      coterie demo
      coterie demo --steps 50 --out runs/quick
    """
    from coterie_demo.showcase import MIXTURE, STEPS, Showcase

    show = Showcase(
        out=out, steps=STEPS if steps is None else steps, seed=seed, report_progress=click.echo
    )
    result = show.run()
    click.echo(f"{result.table.to_markdown()}\n{result.headline}\nthe report is {result.report}")
    click.echo(f"ask the mixture: coterie serve {Path(out) / MIXTURE}")
