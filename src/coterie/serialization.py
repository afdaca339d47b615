"""Frozen dataclasses to JSON and back by dotted path, and the kinds that a folder holds."""

import difflib
import inspect
import json
import math
import pkgutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from importlib import import_module
from importlib.machinery import FileFinder
from pathlib import Path, PurePath
from types import ModuleType
from typing import Any, TypeVar, cast

Kind = TypeVar("Kind")


def dump(value: Any, *, name: str = "value") -> Any:
    """`value` as JSON can hold it: a dataclass as its fields and, under "is", `module:Name`.

    Tuples become lists, and `load` makes tuples of them again. Paths become text, of which their
    kind makes paths again.

    Args:
        value: a frozen dataclass, number, text, path, bool, None, or a tuple, list or dict of such.
        name: what errors call the value.

    Raises ValueError for anything else, naming the dotted path to it.
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
        case _ if is_frozen_dataclass(type(value)):
            items = {f.name: getattr(value, f.name) for f in get_init_fields(type(value))}
            return {"is": make_public_path(type(value), name), **dump(items, name=name)}
    raise ValueError(
        f"{name} = {value!r} cannot be saved: allowed are frozen dataclasses, finite numbers, "
        f"text, bools, None, and tuples and dicts of such, with text other than 'is' as keys"
    )


def load(data: Any, *, name: str = "value") -> Any:
    """The value that `dump` made `data` of; lists become tuples.

    Nothing is imported but modules of coterie: classes of other modules are found only if the
    caller has imported these, so data from a stranger cannot run a stranger's code.

    Raises ValueError, naming the dotted path to what is wrong, what stands there and what may.
    """
    match data:
        case None | bool() | int() | str():
            return data
        case float() if math.isfinite(data):
            return data
        case tuple() | list():
            return tuple(load(item, name=f"{name}[{i}]") for i, item in enumerate(data))
        case {"is": path, **items}:
            return construct(find_class(path, name), items, name)
        case Mapping():
            return {key: load(item, name=f"{name}.{key}") for key, item in data.items()}
    raise ValueError(f"{name} = {data!r} is nothing that `dump` makes: it keeps to JSON")


def dumps(value: Any, *, name: str = "value") -> str:
    """`dump` as JSON text, fields in the order of their classes."""
    return json.dumps(dump(value, name=name), indent=2, ensure_ascii=False, allow_nan=False)


def loads(text: str, *, name: str = "value") -> Any:
    """`load` of JSON text."""
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{name} is not JSON: {error}") from error
    return load(data, name=name)


def find_kinds(package: ModuleType, base: type[Kind]) -> list[type[Kind]]:
    """Every final subclass of `base` that the modules of a package's folder define, by name.

    The files are walked and imported, so a new file is found without being listed anywhere.
    """
    found = [
        value
        for module in map(
            import_module, list_module_names(package.__path__, f"{package.__name__}.")
        )
        for value in vars(module).values()
        if inspect.isclass(value) and value.__module__ == module.__name__
        if issubclass(value, base) and value is not base and not inspect.isabstract(value)
    ]
    return sorted(found, key=lambda kind: kind.__name__)


def list_imported_kinds(base: type[Kind]) -> list[type[Kind]]:
    """List every final subclass of `base` that has been imported, in any package, by name."""
    found: dict[type[Kind], None] = {}
    pending = [base]
    while pending:
        below = pending.pop().__subclasses__()
        pending += below
        found |= dict.fromkeys(kind for kind in below if not inspect.isabstract(kind))
    return sorted(found, key=lambda kind: (kind.__name__, kind.__module__))


def construct(kind: type, items: Mapping[str, Any], name: str) -> Any:
    """A `kind` with fields loaded from `items`."""
    allowed = {f.name: f for f in get_init_fields(kind)}
    for key in items:
        if key not in allowed:
            raise ValueError(
                f"{name}.{key} = {items[key]!r}: {kind.__name__} has no field {key!r}"
                f"{format_suggestions(key, allowed)}; its fields are {', '.join(allowed) or 'none'}"
            )
    for key, field in allowed.items():
        if key not in items and field.default is MISSING and field.default_factory is MISSING:
            raise ValueError(f"{name}.{key} is missing: {kind.__name__} needs it")
    values = {key: load(item, name=f"{name}.{key}") for key, item in items.items()}
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: {error}") from error


def find_class(path: Any, name: str) -> type:
    """The frozen dataclass at `module:Name`."""
    module_name, _, qualname = path.partition(":") if isinstance(path, str) else ("", "", "")
    if not all(map(str.isidentifier, [*module_name.split("."), *qualname.split(".")])):
        raise ValueError(
            f'{name}.is = {path!r}: give "module:Name", as in "coterie.losses.z:ZLoss"'
        )
    module = import_own_module(module_name, f"{name}.is = {path!r}")
    value: Any = module
    for part in qualname.split("."):
        # Not getattr: a module's __getattr__ may import more, as that of transformers does.
        value = vars(value).get(part) if value is module or inspect.isclass(value) else None
    if not is_frozen_dataclass(value):
        names = [key for key, item in vars(module).items() if is_frozen_dataclass(item)]
        raise ValueError(
            f"{name}.is = {path!r}: {module_name} has no frozen dataclass {qualname!r}"
            f"{format_suggestions(qualname, names)}; it has {', '.join(names) or 'none'}"
        )
    return value


def import_own_module(module_name: str, what: str) -> ModuleType:
    """The module, imported here only if it is one of coterie's own."""
    if module := sys.modules.get(module_name):
        return module
    own = __name__.partition(".")[0]
    if module_name.partition(".")[0] != own:
        raise ValueError(
            f"{what}: {module_name} is not imported, and loading imports nothing outside {own}: "
            f"if you trust it, `import {module_name}` first"
        )
    names = list(list_module_names(import_module(own).__path__, f"{own}."))
    if module_name not in names:
        raise ValueError(
            f"{what}: there is no module {module_name}{format_suggestions(module_name, names)}"
        )
    return import_module(module_name)


def list_module_names(folders: Iterable[str], prefix: str) -> Iterator[str]:
    """The dotted names of the public modules in folders and below; none is imported."""
    for finder, name, is_package in pkgutil.iter_modules(folders, prefix):
        leaf = name.rpartition(".")[2]
        if not leaf.startswith("_"):
            yield name
            if is_package:
                yield from list_module_names(
                    [str(Path(cast(FileFinder, finder).path) / leaf)], f"{name}."
                )


def is_frozen_dataclass(value: Any) -> bool:
    """Whether `value` is a frozen dataclass, and no interface."""
    if not (inspect.isclass(value) and is_dataclass(value)) or inspect.isabstract(value):
        return False
    return cast(Any, value).__dataclass_params__.frozen


def get_init_fields(kind: type) -> list[Field[Any]]:
    """The fields that the constructor takes."""
    return [field for field in fields(kind) if field.init]


def make_public_path(kind: type, name: str) -> str:
    """`module:Name`, from which `find` gets the class again."""
    path = f"{kind.__module__}:{kind.__qualname__}"
    if "<locals>" in path:
        raise ValueError(f"{name} cannot be saved: define {kind.__name__} at the top of its module")
    return path


def format_suggestions(given: str, names: Iterable[str]) -> str:
    """The near misses of a name, ready to stand in an error; empty if there are none."""
    close = difflib.get_close_matches(given, list(names), n=3)
    return f" (did you mean {' or '.join(close)}?)" if close else ""
