"""`--set path=value`: one part of a frozen value replaced by its dotted path."""

import ast
import json
from dataclasses import dataclass
from typing import Any, TypeVar

from coterie import serialization
from coterie.annotations import (
    coerce,
    describe_annotation,
    get_annotations,
    get_item_annotation,
    matches_annotation,
)

Value = TypeVar("Value")


@dataclass(frozen=True)
class Override:
    """A dotted path, such as stages.0.learning_rate, and what to put there."""

    path: str
    value: Any

    @classmethod
    def parse(cls, text: str) -> "Override":
        """The setting in "path=value"; the value is JSON, a Python literal, or else text."""
        path, equals, value = text.partition("=")
        if not equals or not path.strip():
            raise ValueError(f"--set {text}: give path=value, as in --set rank=8")
        return cls(path.strip(), parse_literal(value.strip()))

    @property
    def head(self) -> str:
        """The path's first name."""
        return self.path.partition(".")[0]


def parse_literal(text: str) -> Any:
    """What `text` says in JSON or as a Python literal (4,8 is a tuple); else the text itself."""
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError):
            continue
    return text


def set_at_path(value: Value, path: str, new: Any, *, name: str) -> Value:
    """`value` with `new` at a dotted path; everything is checked as if it were read from a file.

    Args:
        value: a frozen dataclass.
        path: field names and positions in tuples, joined by dots.
        new: numbers, text, bools, None, and tuples, lists and dicts of such.
        name: what errors call the value.

    Raises ValueError for a path that is not there, naming near misses, and for a value that does
    not fit there.
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
    """`part` as a key of a dict or an index of a list, and the annotation of what stands there."""
    match inside:
        case {"is": kind, **items}:
            allowed, hints = list(items), get_annotations(serialization.find_class(kind, at))
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
