"""Optional dependencies, imported on first use."""

from importlib import import_module
from types import ModuleType


def import_optional(name: str, extra: str) -> ModuleType:
    """Return the module `name`, which belongs to the optional dependencies called `extra`.

    Raises ValueError with the command that installs them, if it is missing.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"this needs {name.partition('.')[0]}, which is not installed ({error}): "
            f"pip install 'coterie[{extra}]'"
        ) from error
