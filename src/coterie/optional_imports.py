"""Optional dependencies, imported when they are first asked for."""

from importlib import import_module
from types import ModuleType


def import_optional(name: str, extra: str) -> ModuleType:
    """The module `name`, which comes with the optional dependencies called `extra`.

    Raises ValueError that says what to install, if it is missing.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"this needs {name.partition('.')[0]}, which is not installed ({error}): "
            f"pip install 'coterie[{extra}]'"
        ) from error
