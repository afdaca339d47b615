"""The libraries that reading data needs, imported when they are first asked for."""

from importlib import import_module
from types import ModuleType


def library(name: str) -> ModuleType:
    """The module `name` of the optional dependencies called "data".

    Raises ValueError that says what to install, if it is missing.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"reading this data needs {name.partition('.')[0]}, which is not installed "
            f"({error}): pip install 'coterie[data]'"
        ) from error
