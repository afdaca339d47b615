"""Checks of values from the command line, YAML or JSON against type annotations."""

import difflib
import math
import reprlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from inspect import isabstract, isclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

LITERAL_TYPES: Mapping[Any, Any] = {
    bool: bool, int: int, float: int | float, str: str, Path: str, NoneType: NoneType
}  # fmt: skip
"""Annotation -> the types of its literals."""
WORDS: Mapping[Any, str] = {
    bool: "true or false", int: "a whole number", float: "a number", str: "text", Path: "text",
    NoneType: "null",
}  # fmt: skip
"""Annotation -> what a file gives for it, in the words of JSON and YAML."""
MAX_INT = 2**63 - 1
"""The largest whole number that torch and numpy take."""
MAX_FLOAT = 1e30
"""Far above any setting; the square of a larger number has no float32 or float64 near it."""
_REPR = reprlib.Repr()
_REPR.maxdict, _REPR.maxlist, _REPR.maxtuple, _REPR.maxlevel = 4, 6, 6, 3
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 60


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
    return not is_kind(hint) or (isinstance(value, Mapping) and "is" in value)


def is_kind(hint: Any) -> bool:
    """Return whether an annotation is a dataclass or an interface, whose values have "is"."""
    return is_dataclass(hint) or isabstract(hint)


def coerce(value: Any, hint: Any, name: str) -> Any:
    """Return `value`; an integer is converted to float if the annotation has float and not int.

    A text is one item where a tuple of texts is annotated, as in report_to=wandb.

    Raises ValueError, which says what `name` takes, for a value that does not match.
    """
    if type(value) is str and get_origin(hint) is tuple and get_args(hint) == (str, ...):
        return [value]
    if not matches_annotation(value, hint):
        is_class = get_origin(hint) is None and type(hint) is type
        allowed = hint.__name__ if is_class else hint
        kind = next(filter(is_kind, (hint, *get_args(hint))), None)
        advice = (
            f'; give {{"is": "MODULE:NAME"}} of a {kind.__name__}, and its fields' if kind else ""
        )
        raise ValueError(f"{name} takes {allowed}, not {abbreviate(value)}{advice}")
    options = get_args(hint) or (hint,)
    return float(value) if type(value) is int and float in options and int not in options else value


def abbreviate(value: Any) -> str:
    """Format a value for an error message in one short line, whatever its size and depth."""
    text = _REPR.repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


def format_suggestions(given: str, names: Iterable[str]) -> str:
    """Return the near misses of a name as part of an error message; empty if there are none."""
    close = map(escape, difflib.get_close_matches(given, list(names), n=3))
    found = " or ".join(close)
    return f" (did you mean {found}?)" if found else ""


def escape(text: str) -> str:
    """Return a text with characters that are not printed, such as line breaks, as in Python."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def list_options(hint: Any) -> Iterator[Any]:
    """Yield the annotations that a union allows, or the annotation itself if it is no union."""
    if get_origin(hint) in (Union, UnionType):
        for option in get_args(hint):
            yield from list_options(option)
    else:
        yield hint


def select_options(value: Any, options: Sequence[Any]) -> list[Any]:
    """Return those annotations that a value from JSON fits, without its items.

    Args:
        value: None, number, bool, text, list, tuple or mapping; a mapping with "is" is an object.
        options: annotations; Any fits all values, and a class those objects.
    """
    return [option for option in options if _fits(value, option)]


def _fits(value: Any, option: Any) -> bool:
    origin, items = get_origin(option), get_args(option)
    if option in (Any, object):
        return True
    if origin is Literal:
        return any(value == item and type(value) is type(item) for item in items)
    if option in LITERAL_TYPES:
        return matches_annotation(value, option) and _is_in_range(value)
    kind = origin or option
    if not isclass(kind):
        return False
    if issubclass(kind, Sequence):
        is_open = not items or items[-1] is Ellipsis or origin is not tuple
        return isinstance(value, list | tuple) and (is_open or len(items) == len(value))
    return isinstance(value, Mapping) and ("is" in value) is not issubclass(kind, Mapping)


def _is_in_range(value: Any) -> bool:
    if type(value) is int:
        return abs(value) <= MAX_INT
    return type(value) is not float or abs(value) <= MAX_FLOAT


def describe_options(options: Sequence[Any]) -> str:
    """Describe what annotations allow, in the words of JSON, as in "a number or null"."""
    found = dict.fromkeys(_describe(option) for option in options)
    return " or ".join(found)


def _describe(option: Any) -> str:
    origin, items = get_origin(option), get_args(option)
    if origin is Literal:
        return " or ".join(map(repr, items))
    if option in WORDS:
        return WORDS[option]
    kind = origin or option
    if isclass(kind) and issubclass(kind, Mapping):
        return "a mapping"
    if isclass(kind) and issubclass(kind, Sequence):
        count = "" if not items or Ellipsis in items else f" of {len(items)}"
        inner = describe_options(list(dict.fromkeys(x for x in items if x is not Ellipsis)))
        return f"a list{count}" + (f" with {inner}" if inner else "")
    is_class = isclass(kind) and kind not in (Any, object)
    return f"a {kind.__name__}" if is_class else "a value that `dump` makes"


def get_item_annotation(hint: Any, index: int) -> Any:
    """Return the annotation of one item of a tuple or list; Any if the annotation has none."""
    options = get_args(hint)
    if not options:
        return Any
    if get_origin(hint) is not tuple:
        return options[0] if len(options) == 1 else Any
    if options[-1] is Ellipsis:
        return options[0]
    return options[index] if index < len(options) else Any


def check_choices(config: object) -> None:
    """Raise ValueError for a dataclass's field with another value than its annotation allows.

    Checked are those with a `Literal`, and numbers, which must be finite.
    """
    for name, hint in get_type_hints(type(config)).items():
        options = get_args(hint)
        if hint is float and not is_finite(getattr(config, name)):
            value = abbreviate(getattr(config, name))
            raise ValueError(f"{type(config).__name__}({name}={value}): give a finite number")
        if get_origin(hint) is Literal and (value := getattr(config, name)) not in options:
            allowed = f"{', '.join(map(repr, options[:-1]))} and {options[-1]!r}"
            raise ValueError(f"{type(config).__name__}({name}={value!r}): allowed are {allowed}")


def is_finite(value: Any) -> bool:
    """Return whether `value` is a finite number, and no bool."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and _is_in_range(value)
