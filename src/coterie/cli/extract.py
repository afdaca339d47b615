"""`coterie extract`: one task cut out of a run, for servers that know nothing of coterie."""

from typing import Literal

import click

from coterie.cli.verb import verb


@verb()
@click.argument("run", metavar="RUN")
@click.option("--task", required=True, help="The task's name.")
@click.option("--to", required=True, metavar="DIR", help="A new or empty folder.")
@click.option(
    "--form",
    type=click.Choice(["adapter", "merged", "pruned"]),
    default="adapter",
    show_default=True,
    help="A plain PEFT LoRA, a whole plain model, or a smaller mixture of dense tasks.",
)
def extract(run: str, task: str, to: str, form: Literal["adapter", "merged", "pruned"]) -> None:
    """Cuts a plain single-task model out of a run.

    What is written is exact to rounding, and checked. It works where the task alone decides: LoRA
    experts without a gate, or with a static one. Of dense tasks, "pruned" keeps the experts that
    the task uses, as `coterie evaluate` has noted them in the run.

    \b
    Examples:
      coterie extract runs/shared --task ocr --to ocr-adapter
      coterie extract runs/shared --task ocr --to ocr-model --form merged
    """
    from coterie.extract import extract as cut

    click.echo(f"written to {cut(run, task=task, to=to, form=form)}")
