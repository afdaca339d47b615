"""Frozen dataclasses to JSON and back by public name, and the kinds that a folder defines."""

import difflib
import inspect
import json
import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from importlib import import_module
from pathlib import PurePath
from types import ModuleType
from typing import Any, TypeVar, cast

from coterie import public_names
from coterie.plugins import import_task_module
from coterie.public_names import NAMESPACES, ROOT, find_export, get_public_name, list_exports

Kind = TypeVar("Kind")


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


def load(data: Any, *, name: str = "value") -> Any:
    """Return the value that `dump` converted to `data`; lists become tuples.

    Classes are those that coterie exports, and those of other modules that the caller has imported
    or that installed packages name in `coterie.plugins.TASKS`: nothing else is imported, so that
    untrusted data cannot run code of its choice.

    Raises ValueError, with the dotted path to the error, the value there and those allowed.
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
    """Return `dump` as JSON text, fields in the order of their classes."""
    return json.dumps(dump(value, name=name), indent=2, ensure_ascii=False, allow_nan=False)


def loads(text: str, *, name: str = "value") -> Any:
    """Return `load` of JSON text. Raises ValueError if it is not JSON."""
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{name} is not JSON: {error}") from error
    return load(data, name=name)


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
    """Return the frozen dataclass of a public name. Raises ValueError if there is none."""
    what = f"{name}.is = {path!r}"
    module_name, _, qualname = path.partition(":") if isinstance(path, str) else ("", "", "")
    if not all(map(str.isidentifier, [*module_name.split("."), *qualname.split(".")])):
        raise ValueError(f'{what}: give "module:Name", as in "coterie:TopK"')
    is_own = module_name.partition(".")[0] == ROOT
    if is_own and module_name not in (ROOT, *NAMESPACES):
        raise ValueError(
            f"{what}: {module_name} exports no saved classes"
            f"{format_suggestions(module_name, NAMESPACES)}; they are in "
            f"{', '.join((ROOT, *NAMESPACES))}"
        )
    known = import_module(module_name) if is_own else sys.modules.get(module_name)
    module = known or import_task_module(module_name)
    if module is None:
        raise ValueError(
            f"{what}: {module_name} is not imported, and loading imports nothing outside {ROOT}: "
            f"if you trust it, `import {module_name}` first"
        )
    value = find_export(module_name, qualname) if is_own else find_attribute(module, qualname)
    if not is_frozen_dataclass(value):
        found = list_exports(module_name) if is_own else vars(module)
        names = [each for each in found if is_frozen_dataclass(getattr(module, each))]
        raise ValueError(
            f"{what}: {module_name} has no frozen dataclass {qualname!r}"
            f"{format_suggestions(qualname, names)}; it has {', '.join(names) or 'none'}"
        )
    return value


def find_attribute(module: ModuleType, qualname: str) -> Any:
    """Return a module's object of that name, or None; import nothing."""
    value: Any = module
    for part in qualname.split("."):
        # Not getattr: a module's __getattr__ may import more, as that of transformers does.
        value = vars(value).get(part) if value is module or inspect.isclass(value) else None
    return value


def is_frozen_dataclass(value: Any) -> bool:
    """Return whether `value` is a frozen dataclass that is not abstract."""
    is_final = inspect.isclass(value) and is_dataclass(value) and not inspect.isabstract(value)
    return is_final and cast(Any, value).__dataclass_params__.frozen


def get_init_fields(kind: type) -> list[Field[Any]]:
    return [field for field in fields(kind) if field.init]


def format_suggestions(given: str, names: Iterable[str]) -> str:
    """Return the near misses of a name as part of an error message; empty if there are none."""
    close = difflib.get_close_matches(given, list(names), n=3)
    return f" (did you mean {' or '.join(close)}?)" if close else ""
