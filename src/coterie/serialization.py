"""Frozen dataclasses to JSON and back by public name, and the kinds that a folder defines."""

import inspect
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, fields
from pathlib import PurePath
from types import ModuleType
from typing import Any, TypeVar, Union, get_args, get_type_hints

from coterie import public_names
from coterie.annotations import (
    abbreviate,
    describe_options,
    format_suggestions,
    get_item_annotation,
    list_options,
    select_options,
)
from coterie.public_names import get_public_name
from coterie.saved_classes import find_kind, is_frozen_dataclass

Kind = TypeVar("Kind")

MAX_MESSAGE = 400
"""Characters of a kind's own message about its fields."""
MAX_DEPTH = 64
"""Brackets of JSON inside one another; a run's configuration has about 8."""


def dump(value: Any, *, name: str = "value") -> Any:
    """Convert `value` to JSON: a dataclass to its fields and, under "is", its public name.

    The public name is `coterie:TopK`, or `module:Name` of a class outside coterie, so that moving a
    file of coterie invalidates no saved value. `load` turns the lists that tuples become into
    tuples again; a class with a path as field must also accept text.

    Args:
        value: a frozen dataclass, number, text, path, bool, None, or a tuple, list or dict of such.
        name: the value's name in errors.

    Raises ValueError for anything else, naming the dotted path to it, and for a class that has no
    public name.
    """
    match value:
        case None | bool() | int() | str():
            return value
        case float() if math.isfinite(value):
            return value
        case PurePath():
            return str(value)
        case tuple() | list():
            return [dump(item, name=f"{name}[{i}]") for i, item in enumerate(value)]
        case Mapping() if "is" not in value and all(isinstance(key, str) for key in value):
            return {key: dump(item, name=f"{name}.{key}") for key, item in value.items()}
        case _ if is_frozen_dataclass(kind := type(value)):
            if "<locals>" in kind.__qualname__:
                advice = f"define {kind.__name__} at the top of its module"
                raise ValueError(f"{name} cannot be saved: {advice}")
            items = {field.name: getattr(value, field.name) for field in get_init_fields(kind)}
            return {"is": get_public_name(kind), **dump(items, name=name)}
    raise ValueError(
        f"{name} = {value!r} cannot be saved: allowed are frozen dataclasses, finite numbers, "
        f"text, bools, None, and tuples and dicts of such, with text other than 'is' as keys"
    )


def load(data: Any, hint: Any = Any, *, name: str = "value") -> Any:
    """Return the value that `dump` converted to `data`; lists become tuples.

    Classes are those that coterie exports, and those of other modules that the caller has imported
    or that installed packages name in `coterie.plugins.TASKS`: nothing else is imported. Of these
    only the `KINDS` of `coterie.saved_classes` are constructed, and only where the annotation of
    the field allows them, so that untrusted data cannot run code of its choice.

    Args:
        data: None, number, text, bool, list, tuple or mapping, as JSON has them.
        hint: an annotation of the value, such as a class whose objects may be in `data`; Any for
            every kind.
        name: the value's name in errors.

    Raises ValueError, with the dotted path to the error, the value there and those allowed.
    """
    every = list(list_options(hint))
    options = select_options(data, every)
    is_allowed = type(data) is not float or math.isfinite(data)
    if not options or not is_allowed or not isinstance(data, JSON_TYPES):
        raise ValueError(f"{name} = {abbreviate(data)}: give {describe_options(every)}")
    match data:
        case tuple() | list():
            return tuple(
                load(item, _join(get_item_annotation(each, i) for each in options),
                     name=f"{name}[{i}]")
                for i, item in enumerate(data)
            )  # fmt: skip
        case {"is": path, **items}:
            return construct(find_kind(path, options, name), items, name)
        case Mapping():
            inner = _join((*get_args(each), Any, Any)[1] for each in options)
            return {key: load(item, inner, name=f"{name}.{key}") for key, item in data.items()}
    # As 16 for 16.0; where an annotation allows both, the number stays as it is.
    return float(data) if type(data) is int and options == [float] else data


JSON_TYPES = (type(None), bool, int, float, str, list, tuple, Mapping)


def _join(hints: Iterable[Any]) -> Any:
    """Return the union of annotations; Any if one is Any."""
    found = list(dict.fromkeys(hints))
    return Any if Any in found else Union[tuple(found)]  # noqa: UP007  their number varies


def dumps(value: Any, *, name: str = "value") -> str:
    """Return `dump` as JSON text, fields in the order of their classes."""
    return json.dumps(dump(value, name=name), indent=2, ensure_ascii=False, allow_nan=False)


def loads(text: str, hint: Any = Any, *, name: str = "value") -> Any:
    """Return `load` of JSON text. Raises ValueError if it is not JSON."""
    return load(parse_json(text, name=name), hint, name=name)


def parse_json(text: str, *, name: str = "value") -> Any:
    """Parse JSON from anyone: no NaN, no key twice, no more brackets than `MAX_DEPTH` deep.

    Raises ValueError, in one line that begins with `name`.
    """

    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise ValueError(f"the key {abbreviate(twice)} comes twice")
        return found

    def refuse(word: str) -> None:
        raise ValueError(f"{word} is no number of JSON")

    try:
        data = json.loads(text, object_pairs_hook=collect, parse_constant=refuse)
    except RecursionError:
        raise ValueError(f"{name} is nested too deeply: at most {MAX_DEPTH} levels") from None
    except ValueError as error:
        raise ValueError(f"{name} is not JSON: {error}") from error
    if is_nested_deeper(data, MAX_DEPTH):
        raise ValueError(f"{name} is nested too deeply: at most {MAX_DEPTH} levels")
    return data


def is_nested_deeper(data: Any, limit: int) -> bool:
    """Return whether JSON data has more than `limit` lists and objects inside one another."""
    level = [data]
    for _ in range(limit):
        inner = [each for each in level if isinstance(each, list | dict)]
        level = [x for each in inner for x in (each.values() if isinstance(each, dict) else each)]
        if not level:
            return False
    return True


def find_kinds(package: ModuleType, base: type[Kind]) -> list[type[Kind]]:
    """Return every final subclass of `base` that the modules of a package's folder define, by name.

    The files are walked and imported, so a new file is found without being listed anywhere.
    """
    found = [
        kind
        for module in public_names.list_module_names(package.__path__, f"{package.__name__}.")
        for kind in public_names.get_own_classes(module).values()
        if issubclass(kind, base) and kind is not base and not inspect.isabstract(kind)
    ]
    return sorted(found, key=lambda kind: kind.__name__)


def list_imported_kinds(base: type[Kind]) -> list[type[Kind]]:
    """Return every final subclass of `base` that has been imported, in any package, by name."""
    found = [base]
    for kind in found:  # which grows meanwhile
        found += [below for below in kind.__subclasses__() if below not in found]
    final = [kind for kind in found[1:] if not inspect.isabstract(kind)]
    return sorted(final, key=lambda kind: (kind.__name__, kind.__module__))


def construct(kind: type, items: Mapping[str, Any], name: str) -> Any:
    """Construct a `kind` with fields loaded from `items`. ValueError for a wrong or missing one."""
    allowed = {f.name: f for f in get_init_fields(kind)}
    for key in items:
        if key not in allowed:
            raise ValueError(
                f"{name}.{key} = {abbreviate(items[key])}: {kind.__name__} has no field {key!r}"
                f"{format_suggestions(key, allowed)}; its fields are {', '.join(allowed) or 'none'}"
            )
    for key, field in allowed.items():
        if key not in items and field.default is MISSING and field.default_factory is MISSING:
            raise ValueError(f"{name}.{key} is missing: {kind.__name__} needs it")
    hints = get_field_annotations(kind)
    values = {
        key: load(item, hints.get(key, Any), name=f"{name}.{key}") for key, item in items.items()
    }
    try:
        return kind(**values)
    except (TypeError, ValueError, OverflowError) as error:
        text = " ".join(str(error).split())
        if len(text) > MAX_MESSAGE:  # it has the value, which may be of any size
            text = f"{text[: MAX_MESSAGE // 2]} ... {text[-MAX_MESSAGE // 2 :]}"
        raise ValueError(f"{name}: {text}") from error


def get_field_annotations(kind: type) -> dict[str, Any]:
    """Return the annotations of a class; empty if one names what cannot be found."""
    try:
        return get_type_hints(kind)
    except NameError:  # of a class outside coterie, imported for type checkers only
        return {}


def get_init_fields(kind: type) -> list[Field[Any]]:
    return [field for field in fields(kind) if field.init]
