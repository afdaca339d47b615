"""`--set path=value`: replace one part of a frozen dataclass by its dotted path."""

import ast
import json
from dataclasses import dataclass
from typing import Any, TypeVar, get_type_hints

from coterie import serialization
from coterie.annotations import (
    coerce,
    describe_annotation,
    get_item_annotation,
    matches_annotation,
)

Value = TypeVar("Value")


@dataclass(frozen=True)
class Override:
    """A dotted path, such as stages.0.learning_rate, and its new value."""

    path: str
    value: Any

    @classmethod
    def parse(cls, text: str) -> "Override":
        """Parse "path=value"; the value is JSON, a Python literal, or else text."""
        path, equals, value = text.partition("=")
        if not equals or not path.strip():
            raise ValueError(f"--set {text}: give path=value, as in --set rank=8")
        return cls(path.strip(), parse_literal(value.strip()))

    @property
    def head(self) -> str:
        """The path's first name."""
        return self.path.partition(".")[0]


def parse_literal(text: str) -> Any:
    """Parse JSON or a Python literal (4,8 is a tuple); return other text as it is."""
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError):
            continue
    return text


def set_at_path(value: Value, path: str, new: Any, *, name: str) -> Value:
    """Return `value` with `new` at a dotted path, validated as if it were read from a file.

    Args:
        value: a frozen dataclass.
        path: field names and positions in tuples, joined by dots.
        new: numbers, text, bools, None, and tuples, lists and dicts of such.
        name: of the value, for messages.

    Raises ValueError for an unknown path, with suggestions, and for a value that does not fit.
    """
    data = {"value": serialization.dump(value, name=name)}
    parent, key, at, hint = data, "value", name, Any
    for part in path.split("."):
        parent = parent[key]
        key, hint = resolve_key(parent, part, at, hint)
        at = f"{at}.{part}"
    if not matches_annotation(new, hint):
        raise ValueError(f"--set: {at} takes {describe_annotation(hint)}, not {new!r}")
    parent[key] = coerce(new, hint)
    return serialization.load(data["value"], name=name)


def resolve_key(inside: Any, part: str, at: str, hint: Any) -> tuple[Any, Any]:
    """Return `part` as a key of a dict or an index of a list, and the annotation of its value."""
    match inside:
        case {"is": kind, **items}:
            allowed, hints = list(items), get_type_hints(serialization.find_class(kind, at))
        case dict():
            allowed, hints = list(inside), {}
        case list():
            allowed = [str(index) for index in range(len(inside))]
            hints = {index: get_item_annotation(hint, int(index)) for index in allowed}
        case _:
            raise ValueError(f"--set: {at} is {inside!r}, which has no part {part!r}")
    if part not in allowed:
        raise ValueError(
            f"--set: {at} has no {part!r}{serialization.format_suggestions(part, allowed)}; it has "
            f"{', '.join(allowed) or 'nothing'}"
        )
    return (int(part) if isinstance(inside, list) else part), hints.get(part, Any)
