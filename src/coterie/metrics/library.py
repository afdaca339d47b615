"""The libraries that metrics are computed by, imported when they are first asked for."""

from importlib import import_module
from types import ModuleType


def library(name: str) -> ModuleType:
    """The module `name` of the optional dependencies called "evaluate".

    Raises ValueError that says what to install, if it is missing.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"this metric needs {name.partition('.')[0]}, which is not installed ({error}): "
            "pip install 'coterie[evaluate]'"
        ) from error
