"""Names that installed packages add to coterie: subcommands, models, task files, checks.

They are Python entry points, so that a package is found by what it declares, without an import of
it by name. The groups, and the object that an entry of each loads:

- `coterie.commands`: a click command, whose name is the subcommand's.
- `coterie.models`: a function without arguments that returns the folder of a chat model.
- `coterie.vision_models`: the same for a vision backbone.
- `coterie.tasks`: a function without arguments that returns the path of a tasks.yaml file, or a
  `TaskSet`; its module may define the kind of data set.
- `coterie.checks`: a function without arguments that yields lines of `coterie doctor`.

Functions that return a path raise ValueError, with the command to run, if it does not exist yet.
"""

from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

COMMANDS = "coterie.commands"
MODELS = "coterie.models"
VISION_MODELS = "coterie.vision_models"
TASKS = "coterie.tasks"
CHECKS = "coterie.checks"

OPTIONAL_NAMES = {
    COMMANDS: {"demo": "demo", "fetch": "demo"},
    MODELS: {"embedded": "demo"},
    VISION_MODELS: {"embedded": "demo"},
    TASKS: {"pantry": "demo", "scenes": "scenes"},
}
"""Group -> name -> the extra of coterie that installs it, for errors if it is not installed."""


def list_plugins(group: str) -> list[EntryPoint]:
    """Return the entries of a group, sorted by name; the first that Python finds of each name."""
    found = {entry.name: entry for entry in reversed(list(entry_points(group=group)))}
    return [found[name] for name in sorted(found)]


def find_plugin(group: str, name: str) -> EntryPoint | None:
    """Return the entry of a group with a name; None if no package has such a name.

    Raises ValueError, with the extra to install, for a missing name of coterie's own.
    """
    found = next((entry for entry in list_plugins(group) if entry.name == name), None)
    if found is None and (extra := OPTIONAL_NAMES.get(group, {}).get(name)):
        raise ValueError(
            f"{name!r} is not installed, as it comes with an extra: pip install 'coterie[{extra}]'"
        )
    return found


def import_task_module(name: str) -> ModuleType | None:
    """Import the module of that name if an entry of TASKS is defined in it; None otherwise."""
    is_provided = any(entry.module == name for entry in list_plugins(TASKS))
    return import_module(name) if is_provided else None
