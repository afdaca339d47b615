"""What `coterie list` shows: names and first lines of docstrings, found by walking the folders."""

import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from coterie import spec
from coterie.cli import pictured
from coterie.cli.plan import SYSTEMS
from coterie.embedded.home import home
from coterie.recipe import FILE
from coterie.tasks import read_tasks
from coterie.train import Run

# What is listed -> the folder of its kinds, and the interface that they share.
FOLDERS = {
    "gates": ("coterie.routing.gates", "base", "Gate"),
    "routers": ("coterie.routing.routers", "base", "Router"),
    "experts": ("coterie.experts", "base", "Experts"),
    "losses": ("coterie.losses", "base", "RoutingLoss"),
    "metrics": ("coterie.metrics", "base", "Metric"),
    "hosts": ("coterie.hosts", "base", "Host"),
}


def lines(what: str, runs: str) -> Iterator[tuple[str, str]]:
    """Name and description of each recipe, kind, task or run.

    Args:
        what: "recipes", "tasks", "sets", "runs" or a key of FOLDERS.
        runs: the folder whose runs are listed.
    """
    match what:
        case "recipes":
            return ((name, first_line(system)) for name, system in SYSTEMS.items())
        case "tasks":
            return tasks()
        case "sets":
            return ((name, first_line(kind)) for name, kind in pictured.kinds().items())
        case "runs":
            return found_runs(Path(runs))
        case _:
            return kinds(what)


def kinds(what: str) -> Iterator[tuple[str, str]]:
    """The kinds in a folder of parts."""
    folder, module, name = FOLDERS[what]
    base = getattr(import_module(f"{folder}.{module}"), name)
    for kind in spec.kinds(import_module(folder), base):
        yield kind.__name__, first_line(kind)


def tasks() -> Iterator[tuple[str, str]]:
    """The pantry's tasks, if it is there."""
    if not (home() / "pantry" / "tasks.yaml").is_file():
        yield "(none)", "the pantry is not fetched: coterie fetch pantry"
        return
    for task in read_tasks("pantry"):
        yield task.name, f"{', '.join(task.rows)}; {type(task.metric).__name__}"


def found_runs(folder: Path) -> Iterator[tuple[str, str]]:
    """The runs in a folder and below; what else has a file of that name is left out."""
    for file in sorted(folder.glob(f"**/{FILE}")):
        try:
            plan = Run.read(file.parent).plan
        except ValueError:
            continue
        names = ", ".join(plan.names)
        yield str(file.parent), f"{plan.recipe.name} on {names}, from {plan.base}"


def first_line(thing: object) -> str:
    """The first line of a docstring, without its full stop."""
    return (inspect.getdoc(thing) or "").partition("\n")[0].rstrip(".")
