"""`coterie list`: list the recipes, kinds, tasks, data sets and runs."""

import click

from coterie.cli.verb import make_subcommand

KINDS = (
    "recipes", "gates", "routers", "experts", "losses", "balancing", "metrics", "families", "tasks",
    "sets", "runs",
)  # fmt: skip


@make_subcommand()
@click.argument("what", required=False, type=click.Choice(KINDS))
@click.option(
    "--runs", default="runs", metavar="DIR", help="The folder of the runs.", show_default=True
)
def list(what: str | None, runs: str) -> None:
    """List recipes, parts, tasks, dense data sets and runs.

    Without WHAT it lists everything. Tasks are those that installed packages provide, such as the
    demo's pantry; sets are the dense data sets that a tasks.yaml may name.

    \b
    Examples:
      coterie list recipes
      coterie list runs --runs experiments
    """
    from coterie.cli.inventory import list_lines

    for kind in KINDS if what is None else (what,):
        if what is None:
            click.echo(f"{kind}:")
        for name, description in list_lines(kind, runs):
            click.echo(f"{name:24} {description}".rstrip())
        if what is None:
            click.echo()
