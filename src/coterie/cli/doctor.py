"""`coterie doctor`: check the installation and this machine, with advice."""

from collections.abc import Callable
from itertools import chain

import click

from coterie.cli.main import Subcommand


@click.command(cls=Subcommand, without_library=True)
@click.pass_obj
def doctor(load: Callable[[], None]) -> None:
    """Say what this machine has, what it lacks, and what to do.

    Each line is "ok", "off" (only some verbs need it) or "broken" (nothing works without it).
    The exit code is 1 if a line is broken, else 0.

    \b
    Example:
      coterie doctor
    """
    from coterie.cli.checks import (
        check_families,
        check_home,
        check_library,
        check_machine,
        check_packages,
    )
    from coterie.plugins import CHECKS, list_plugins

    broken = 0
    checks = [
        check_packages(),
        check_machine(),
        check_library(load),
        check_families(),
        check_home(),
    ]
    checks += [plugin.load()() for plugin in list_plugins(CHECKS)]
    for finding in chain(*checks):
        click.echo(finding.format())
        broken += finding.status == "broken"
    if broken:
        click.echo(f"{broken} broken: do what the arrows say, then run it again", err=True)
        raise click.exceptions.Exit(1)
    click.echo("nothing needed is broken")
