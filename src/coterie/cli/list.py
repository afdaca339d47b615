"""`coterie list`: list the recipes, kinds, tasks, data sets and runs, found by walking packages."""

import inspect
import json
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from coterie.cli.main import Subcommand

# Category -> the package of its kinds, and their base class, in the package's base.py.
FOLDERS = {
    "gates": ("coterie.routing.gates", "Gate"),
    "routers": ("coterie.routing.routers", "Router"),
    "experts": ("coterie.experts", "Experts"),
    "losses": ("coterie.losses", "RoutingLoss"),
    "balancing": ("coterie.balancing", "Balancing"),
    "metrics": ("coterie.metrics", "AnswerMetric"),
    "families": ("coterie.families", "ModelFamily"),
}
CATEGORIES = ("recipes", *FOLDERS, "tasks", "sets", "runs")
SINGULAR = "recipe"


@click.command(cls=Subcommand)
@click.argument("what", required=False, type=click.Choice((*CATEGORIES, SINGULAR)))
@click.argument("name", required=False)
@click.option(
    "--runs", default="runs", metavar="DIR", help="The folder of the runs.", show_default=True
)
def list(what: str | None, name: str | None, runs: str) -> None:
    """List recipes, parts, tasks, dense data sets and runs.

    Without WHAT it lists everything. With a NAME it shows one recipe's arguments for `--set`, or
    the tasks of a tasks.yaml file; without, tasks are those that installed packages provide, such
    as the demo's pantry. Metrics are named as in tasks.yaml, families by the model types that a
    model's config.json names; sets are the dense data sets that a tasks.yaml may name.

    \b
    Examples:
      coterie list recipes
      coterie list recipe rode
      coterie list tasks tasks.yaml
      coterie list runs --runs experiments
    """
    for line in format_list(what, name, runs):
        click.echo(line)


def format_list(what: str | None, name: str | None, runs: str) -> Iterator[str]:
    """Yield the lines. Raises ValueError for a name where there is none to give."""
    if what == SINGULAR or (what == "recipes" and name is not None):
        yield from describe_recipe(name)
    elif what == "tasks" and name is not None:
        yield from (format_line(*each) for each in find_tasks_of(name))
    elif name is not None:
        raise ValueError(f"list {what} takes no name, and {name!r} was given: leave it out")
    else:
        for category in CATEGORIES if what is None else (what,):
            lines = [format_line(*each) for each in find_listed(category, runs)]
            yield from lines if what else [f"{category}:", *lines, ""]


def format_line(name: str, description: str) -> str:
    """Return a name and its description, in columns."""
    return f"{name:24} {description}".rstrip()


def find_listed(category: str, runs: str) -> Iterator[tuple[str, str]]:
    """Return name and description of each member of a category; `runs` is the runs' folder."""
    from coterie.task_file import find_dataset_kinds
    from coterie.train.named_recipes import SYSTEMS

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
            return ((name_kind(kind), get_summary_line(kind)) for kind in find_kinds(category))


def find_kinds(category: str) -> Sequence[type]:
    """Import and return the kinds of a category of FOLDERS."""
    from coterie import serialization

    folder, name = FOLDERS[category]
    base = getattr(import_module(f"{folder}.base"), name)
    return serialization.find_kinds(import_module(folder), base)


def name_kind(kind: type) -> str:
    """Return what a user types or meets: a metric of tasks.yaml, model types, or the class."""
    from coterie.families.base import ModelFamily
    from coterie.metrics.base import AnswerMetric

    if issubclass(kind, ModelFamily):
        return ", ".join(kind.model_types)
    return kind.get_name() if issubclass(kind, AnswerMetric) else kind.__name__


def describe_recipe(name: str | None) -> Iterator[str]:
    """Yield a recipe's arguments, each with its default as it is written after --set."""
    from coterie.annotations import format_suggestions
    from coterie.train.named_recipes import SYSTEMS

    if name is None or name not in SYSTEMS:
        near = format_suggestions(name or "", SYSTEMS)
        raise ValueError(f"there is no recipe {name!r}{near}: give one of {', '.join(SYSTEMS)}")
    system = SYSTEMS[name]
    summary, _, text = (inspect.getdoc(system) or "").partition("\n")
    yield summary
    yield ""
    for parameter in inspect.signature(system).parameters.values():
        kind = inspect.formatannotation(parameter.annotation)
        yield f"  --set {parameter.name + '=' + format_value(parameter.default):40} {kind}"
    yield text.rstrip()


def format_value(value: Any) -> str:
    """Return a value as `--set` takes it: items with commas between them, else JSON."""
    if isinstance(value, tuple):
        return ",".join(repr(each) for each in value) + ("," if len(value) == 1 else "")
    return value if isinstance(value, str) else json.dumps(value)


def find_tasks_of(path: str) -> Iterator[tuple[str, str]]:
    """Find the tasks of a tasks.yaml file. Raises ValueError if it cannot be read."""
    from coterie.task_file import read_tasks

    tasks = read_tasks(path)
    return ((name, tasks.describe_task(name)) for name in tasks.names)


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
