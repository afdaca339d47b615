"""Checks of values from the command line or YAML against type annotations."""

import types
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from inspect import isabstract
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


def get_annotations(thing: Callable[..., Any]) -> Mapping[str, Any]:
    """Return name -> annotation, of a function's arguments or a class's fields."""
    return get_type_hints(thing)


def matches_annotation(value: Any, hint: Any) -> bool:
    """Return whether `value` has an annotated type; True for types that no literal can have.

    Args:
        value: None, number, bool, text, or tuples and lists of such.
        hint: an annotation with these types, Literal, tuple and unions.
    """
    origin, options = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(matches_annotation(value, option) for option in options)
    if origin is Literal:
        return any(value == option and type(value) is type(option) for option in options)
    if origin is tuple:
        return (
            is_sequence(value)
            and has_length(value, options)
            and all(
                matches_annotation(item, get_item_annotation(hint, index))
                for index, item in enumerate(value)
            )
        )
    return TYPE_CHECKS.get(hint, is_serialized if is_config_class(hint) else accept_any)(value)


def coerce(value: Any, hint: Any) -> Any:
    """Return `value`; an integer is converted to float if the annotation has float and not int."""
    options = get_args(hint) or (hint,)
    return float(value) if is_integer(value) and float in options and int not in options else value


def get_item_annotation(hint: Any, index: int) -> Any:
    """Return the annotation of one item of a tuple; Any if the tuple's annotation has none."""
    options = get_args(hint)
    if get_origin(hint) is not tuple or not options:
        return Any
    if options[-1] is Ellipsis:
        return options[0]
    return options[index] if index < len(options) else Any


def describe_annotation(hint: Any) -> str:
    """Return the annotation in the form that errors use."""
    return hint.__name__ if get_origin(hint) is None and type(hint) is type else str(hint)


def check_choices(config: object) -> None:
    """Raise ValueError for a dataclass's field whose value is none of those in its `Literal`."""
    for name, hint in get_annotations(type(config)).items():
        value, allowed = getattr(config, name), [repr(option) for option in get_args(hint)]
        if get_origin(hint) is Literal and value not in get_args(hint):
            raise ValueError(
                f"{type(config).__name__}({name}={value!r}): allowed are "
                f"{', '.join(allowed[:-1])} and {allowed[-1]}"
            )


def has_length(row: Any, options: tuple[Any, ...]) -> bool:
    """Return whether a row has the length that a tuple's annotation fixes, if it fixes one."""
    return not options or options[-1] is Ellipsis or len(row) == len(options)


def is_config_class(hint: Any) -> bool:
    """Return whether `hint` is a dataclass or an interface; its literals are mappings with "is"."""
    return is_dataclass(hint) or isabstract(hint)


def is_serialized(value: Any) -> bool:
    return isinstance(value, Mapping) and "is" in value


def is_sequence(value: Any) -> bool:
    return isinstance(value, list | tuple)


def is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def is_integer(value: Any) -> bool:
    return isinstance(value, int) and not is_bool(value)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not is_bool(value)


def is_text(value: Any) -> bool:
    return isinstance(value, str)


def is_none(value: Any) -> bool:
    return value is None


def accept_any(value: Any) -> bool:
    return True


TYPE_CHECKS: Mapping[Any, Callable[[Any], bool]] = {
    bool: is_bool,
    int: is_integer,
    float: is_number,
    str: is_text,
    Path: is_text,
    types.NoneType: is_none,
}
