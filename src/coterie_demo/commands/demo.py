"""`coterie demo`: diagnose, train, evaluate and report once, on embedded weights and data."""

import click

from coterie.cli.main import Subcommand


@click.command(cls=Subcommand, resume="the same command goes on from there")
@click.option("--out", default="runs/demo", show_default=True, metavar="DIR", help="Where to.")
@click.option("--steps", type=int, help="Optimizer steps of each training.")
@click.option("--seed", default=0, show_default=True, type=int, help="Of everything random.")
def demo(out: str, steps: int | None, seed: int) -> None:
    """Compares a shared LoRA with a mixture of experts, from nothing.

    It trains both on several tasks of the embedded data and writes a report. Both have equally
    many trainable parameters, within 1 percent, and see the same rows. They are scored on held-out
    rows; so are the untrained model, and each model without its images and sounds. Steps that were
    completed before are not repeated.

    \b
    Examples:
      coterie demo
      coterie demo --steps 50 --out runs/quick
    """
    from coterie_demo.showcase import STEPS, Showcase

    show = Showcase(
        out=out, steps=STEPS if steps is None else steps, seed=seed, report_progress=click.echo
    )
    result = show.run()
    click.echo(f"{result.table.to_markdown()}\n{result.headline}\nthe report is {result.report}")
