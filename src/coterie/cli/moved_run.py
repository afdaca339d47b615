"""The options of subcommands for a run whose base model or rows have moved since training."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from coterie.train.run import Run

base_option = click.option(
    "--base", metavar="MODEL", help="Where the run's base model is now.  [default: as in training]"
)
tasks_option = click.option(
    "--tasks", metavar="FILE", help="Where the run's tasks are now.  [default: as in training]"
)


def moved_run_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add --base and --tasks."""
    return base_option(tasks_option(command))


def open_run(run: str, *, base: str | None, tasks: str | None, to: str | None = None) -> "Run":
    """Open the run in a folder with the values of these options. ValueError if they do not fit."""
    from coterie.task_file import read_tasks
    from coterie.train.run import Run

    return Run.read(run, base=base, tasks=None if tasks is None else read_tasks(tasks), to=to)
