"""Checks of values from the command line or YAML against type annotations."""

from collections.abc import Mapping
from dataclasses import is_dataclass
from inspect import isabstract
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

LITERAL_TYPES: Mapping[Any, Any] = {
    bool: bool, int: int, float: int | float, str: str, Path: str, NoneType: NoneType
}  # fmt: skip
"""Annotation -> the types of its literals."""


def matches_annotation(value: Any, hint: Any) -> bool:
    """Return whether `value` has an annotated type; True for types that no literal can have.

    Args:
        value: None, number, bool, text, or tuples and lists of such; a mapping with "is" for a
            dataclass or an interface.
        hint: an annotation with these types, Literal, tuple and unions.
    """
    origin, options = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(matches_annotation(value, option) for option in options)
    if origin is Literal:
        return any(value == option and type(value) is type(option) for option in options)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            return False
        fits = not options or options[-1] is Ellipsis or len(value) == len(options)
        hints = [get_item_annotation(hint, index) for index in range(len(value))]
        return fits and all(map(matches_annotation, value, hints))
    if hint in LITERAL_TYPES:
        # A bool is an int to Python.
        return isinstance(value, LITERAL_TYPES[hint]) and (hint is bool or type(value) is not bool)
    is_kind = is_dataclass(hint) or isabstract(hint)
    return not is_kind or (isinstance(value, Mapping) and "is" in value)


def coerce(value: Any, hint: Any, name: str) -> Any:
    """Return `value`; an integer is converted to float if the annotation has float and not int.

    Raises ValueError, which says what `name` takes, for a value that does not match.
    """
    if not matches_annotation(value, hint):
        is_class = get_origin(hint) is None and type(hint) is type
        raise ValueError(f"{name} takes {hint.__name__ if is_class else hint}, not {value!r}")
    options = get_args(hint) or (hint,)
    return float(value) if type(value) is int and float in options and int not in options else value


def get_item_annotation(hint: Any, index: int) -> Any:
    """Return the annotation of one item of a tuple; Any if the tuple's annotation has none."""
    options = get_args(hint)
    if get_origin(hint) is not tuple or not options:
        return Any
    if options[-1] is Ellipsis:
        return options[0]
    return options[index] if index < len(options) else Any


def check_choices(config: object) -> None:
    """Raise ValueError for a dataclass's field whose value is none of those in its `Literal`."""
    for name, hint in get_type_hints(type(config)).items():
        options = get_args(hint)
        if get_origin(hint) is Literal and (value := getattr(config, name)) not in options:
            allowed = f"{', '.join(map(repr, options[:-1]))} and {options[-1]!r}"
            raise ValueError(f"{type(config).__name__}({name}={value!r}): allowed are {allowed}")
