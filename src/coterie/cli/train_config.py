"""The `RunConfig` of `coterie train`: a recipe by name or a saved run, with `--set` overrides."""

import ast
import inspect
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from itertools import chain
from typing import Any, TypeVar, get_type_hints

from coterie import serialization
from coterie.annotations import (
    abbreviate,
    coerce,
    format_suggestions,
    get_item_annotation,
)
from coterie.devices import Precision
from coterie.recipe import Recipe
from coterie.saved_classes import find_class
from coterie.train import RunConfig
from coterie.train.named_recipes import SYSTEMS, read_recipe_or_config

Value = TypeVar("Value")
MAX_SHOWN = 80
"""The most letters of a path that an error message repeats."""


def parse_override(text: str) -> tuple[str, Any]:
    """Parse "path=value", as in stages.0.rate=1.

    The value is JSON, or a Python literal (4,8 is a tuple); other text stays as it is.
    """
    path, equals, value = map(str.strip, text.partition("="))
    if not equals or not path:
        raise ValueError(f"--set {shorten(text)}: give path=value, as in --set rank=8")
    for read in (json.loads, ast.literal_eval):
        with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            return path, read(value)
    return path, value


def build_config(
    recipe: str,
    overrides: Sequence[tuple[str, Any]],
    flags: Mapping[str, Any],
    *,
    precision: Precision = "float32",
) -> RunConfig:
    """Build the configuration of a run.

    Args:
        recipe: a name in coterie.recipes; or a file with a recipe or a run's configuration; or a
            run's folder, whose configuration is used again.
        overrides: path and new value; each path is an argument of the recipe's function, or leads
            inside the recipe, the run's configuration or its task set; the first of these that has
            it is changed.
        flags: fields of the configuration; a recipe alone needs at least base and tasks.
        precision: of a recipe alone, unless `flags` has one.

    Raises ValueError for an unknown recipe or path, and for values that do not fit.
    """
    arguments: tuple[str, ...] = ()
    if recipe in SYSTEMS:
        arguments = tuple(inspect.signature(SYSTEMS[recipe]).parameters)
        own = {path: value for path, value in overrides if path in arguments}
        source = call_recipe(recipe, own)
    else:
        source = read_recipe_or_config(recipe)
    if isinstance(source, Recipe):
        flags = {"precision": precision, **flags}
    config = apply_flags(source, flags)
    changes = [
        (resolve_path(config, path, arguments), value)
        for path, value in overrides
        if path not in arguments
    ]
    return set_at_paths(config, changes, name="config")


def call_recipe(name: str, arguments: Mapping[str, Any]) -> Recipe:
    """Call a function of coterie.recipes with validated arguments."""
    hints = get_type_hints(SYSTEMS[name])
    # 16 is accepted as 16.0, and JSON's lists become tuples.
    fitting = {key: coerce(each, hints[key], f"--set: {key}") for key, each in arguments.items()}
    try:
        values = {k: serialization.load(v, hints[k], name=k) for k, v in fitting.items()}
        return SYSTEMS[name](**values)
    except (TypeError, ValueError) as error:
        given = ", ".join(f"{argument}={value!r}" for argument, value in arguments.items())
        raise ValueError(f"recipe {name}({given}): {error}") from error


def apply_flags(source: Recipe | RunConfig, flags: Mapping[str, Any]) -> RunConfig:
    """Return the configuration with some fields replaced, or a new one for a recipe."""
    if isinstance(source, RunConfig):
        return replace(source, **flags)
    if missing := [f"--{name}" for name in ("base", "tasks") if name not in flags]:
        raise ValueError(
            f"recipe {source.name!r} has neither model nor data: give {' and '.join(missing)}"
        )
    return RunConfig(recipe=source, **flags)


def resolve_path(config: RunConfig, path: str, arguments: Sequence[str]) -> str:
    """Return an override's full path, from the configuration."""
    head = path.partition(".")[0]
    parts: dict[str, Any] = {"recipe.": config.recipe, "": config, "tasks.": config.tasks}
    names = {prefix: [field.name for field in fields(value)] for prefix, value in parts.items()}
    for prefix, known in names.items():
        if head in known:
            return f"{prefix}{path}"
    allowed = list(dict.fromkeys([*arguments, *chain(*names.values())]))
    near = format_suggestions(head, allowed)
    raise ValueError(
        f"--set {shorten(path)}: there is no {abbreviate(head)}{near}; there are "
        f"{', '.join(allowed)}"
    )


def shorten(text: str) -> str:
    """Return a text as it is, or the start of a long one, for an error message."""
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def set_at_paths(value: Value, changes: Sequence[tuple[str, Any]], *, name: str) -> Value:
    """Return `value` with changes at dotted paths, validated as if it were read from a file.

    It need fit only after all of them: their order does not matter.

    Args:
        value: a frozen dataclass.
        changes: a path, which is field names and positions in tuples joined by dots, and what
            stands there then: numbers, text, bools, None, and tuples, lists and dicts of such.
        name: of the value, for messages.

    Raises ValueError for an unknown path, with suggestions, and for a value that does not fit.
    """
    if not changes:
        return value
    data = serialization.dump(value, name=name)
    for path, new in changes:
        set_item(data, path, new, name=name)
        with suppress(ValueError):  # a later change may make it fit
            # With the defaults of a part that was set whole, so that paths lead inside it.
            data = serialization.dump(serialization.load(data, type(value), name=name), name=name)
    return serialization.load(data, type(value), name=name)


def set_item(value: Any, path: str, new: Any, *, name: str) -> None:
    """Set what is at a dotted path in the JSON of a dataclass."""
    data = {"value": value}
    parent, key, at, hint = data, "value", name, Any
    for part in path.split("."):
        parent = parent[key]
        key, hint = resolve_key(parent, part, at, hint)
        at = f"{at}.{part}"
    parent[key] = coerce(new, hint, f"--set: {at}")


def resolve_key(inside: Any, part: str, at: str, hint: Any) -> tuple[Any, Any]:
    """Return `part` as a key of a dict or an index of a list, and the annotation of its value."""
    match inside:
        case {"is": kind, **items}:
            allowed, hints = list(items), get_type_hints(find_class(kind, at))
        case dict():
            allowed, hints = list(inside), {}
        case list():
            allowed = [str(index) for index in range(len(inside))]
            hints = {index: get_item_annotation(hint, int(index)) for index in allowed}
        case _:
            raise ValueError(
                f"--set: {at} is {abbreviate(inside)}, which has no part {abbreviate(part)}"
            )
    if part not in allowed:
        near = format_suggestions(part, allowed)
        raise ValueError(
            f"--set: {at} has no {abbreviate(part)}{near}; it has {', '.join(allowed) or 'nothing'}"
        )
    return (int(part) if isinstance(inside, list) else part), hints.get(part, Any)
