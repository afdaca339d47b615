"""The lines of `coterie list`: names and first lines of docstrings, found by walking packages."""

import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from coterie import serialization
from coterie.cli.train_config import SYSTEMS
from coterie.plugins import TASKS, list_plugins
from coterie.task_file import find_dataset_kinds, read_tasks
from coterie.train import Run
from coterie.train.run_directory import RunDirectory

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


def list_lines(what: str, runs: str) -> Iterator[tuple[str, str]]:
    """Return name and description of each recipe, kind, task or run.

    Args:
        what: "recipes", "tasks", "sets", "runs" or a key of FOLDERS.
        runs: the folder whose runs are listed.
    """
    match what:
        case "recipes":
            return ((name, get_summary_line(system)) for name, system in SYSTEMS.items())
        case "tasks":
            return list_provided_tasks()
        case "sets":
            return ((name, get_summary_line(kind)) for name, kind in find_dataset_kinds().items())
        case "runs":
            return find_runs(Path(runs))
        case _:
            folder, name = FOLDERS[what]
            base = getattr(import_module(f"{folder}.base"), name)
            kinds = serialization.find_kinds(import_module(folder), base)
            return ((kind.__name__, get_summary_line(kind)) for kind in kinds)


def list_provided_tasks() -> Iterator[tuple[str, str]]:
    """List the tasks of installed packages, or why those of a name are missing."""
    for plugin in list_plugins(TASKS):
        try:
            tasks = read_tasks(plugin.name)
        except ValueError as error:
            yield "(none)", str(error)
            continue
        for name in tasks.names:
            yield name, tasks.describe_task(name)


def find_runs(folder: Path) -> Iterator[tuple[str, str]]:
    """List the runs in a folder and below; other files of the same name are skipped."""
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
