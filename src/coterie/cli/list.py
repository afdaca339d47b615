"""`coterie list`: list the recipes, kinds, tasks, data sets and runs, found by walking packages."""

import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click

from coterie.cli.main import Subcommand

# Category -> the package of its kinds, and their base class, in the package's base.py.
FOLDERS = {
    "gates": ("coterie.routing.gates", "Gate"),
    "routers": ("coterie.routing.routers", "Router"),
    "experts": ("coterie.experts", "Experts"),
    "losses": ("coterie.losses", "RoutingLoss"),
    "balancing": ("coterie.balancing", "Balancing"),
    "metrics": ("coterie.metrics", "Metric"),
    "families": ("coterie.families", "ModelFamily"),
}
CATEGORIES = ("recipes", *FOLDERS, "tasks", "sets", "runs")


@click.command(cls=Subcommand)
@click.argument("what", required=False, type=click.Choice(CATEGORIES))
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
    for category in CATEGORIES if what is None else (what,):
        if what is None:
            click.echo(f"{category}:")
        for name, description in find_listed(category, runs):
            click.echo(f"{name:24} {description}".rstrip())
        if what is None:
            click.echo()


def find_listed(category: str, runs: str) -> Iterator[tuple[str, str]]:
    """Return name and description of each member of a category; `runs` is the runs' folder."""
    from coterie.cli.train_config import SYSTEMS
    from coterie.serialization import find_kinds
    from coterie.task_file import find_dataset_kinds

    match category:
        case "recipes":
            return ((name, get_summary_line(system)) for name, system in SYSTEMS.items())
        case "tasks":
            return find_provided_tasks()
        case "sets":
            return ((name, get_summary_line(kind)) for name, kind in find_dataset_kinds().items())
        case "runs":
            return find_runs(Path(runs))
        case _:
            folder, name = FOLDERS[category]
            base = getattr(import_module(f"{folder}.base"), name)
            kinds = find_kinds(import_module(folder), base)
            return ((kind.__name__, get_summary_line(kind)) for kind in kinds)


def find_provided_tasks() -> Iterator[tuple[str, str]]:
    """Find the tasks of installed packages, or why those of a name are missing."""
    from coterie.plugins import TASKS, list_plugins
    from coterie.task_file import read_tasks

    for plugin in list_plugins(TASKS):
        try:
            tasks = read_tasks(plugin.name)
        except ValueError as error:
            yield "(none)", str(error)
            continue
        for name in tasks.names:
            yield name, tasks.describe_task(name)


def find_runs(folder: Path) -> Iterator[tuple[str, str]]:
    """Find the runs in a folder and below; other files of the same name are skipped."""
    from coterie.train import Run
    from coterie.train.run_directory import RunDirectory

    for file in sorted(folder.glob(f"**/{RunDirectory(Path()).config_file}")):
        try:
            config = Run.read(file.parent).config
        except ValueError:
            continue
        names = ", ".join(config.task_names)
        yield str(file.parent), f"{config.recipe.name} on {names}, from {config.base}"


def get_summary_line(thing: object) -> str:
    """Return the first line of a docstring, without its full stop."""
    return (inspect.getdoc(thing) or "").partition("\n")[0].rstrip(".")
