"""The classes whose objects may be loaded from files, found by their public names."""

import inspect
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import is_dataclass
from importlib import import_module
from types import ModuleType
from typing import Any, cast, get_origin

from coterie.annotations import abbreviate, format_suggestions
from coterie.plugins import import_task_module
from coterie.public_names import NAMESPACES, ROOT, find_export, get_public_name, list_exports

KINDS = (
    "coterie:Mixture", "coterie:Recipe", "coterie:RunConfig", "coterie:Stage",
    "coterie.balancing:Balancing", "coterie.data:TaskSampling", "coterie.encoding:Connector",
    "coterie.encoding:Encoder", "coterie.experts:Experts", "coterie.losses:RoutingLoss",
    "coterie.metrics:Metric", "coterie.routing:Gate", "coterie.routing:Router",
    "coterie.tasks:DenseDataset", "coterie.tasks:DenseTask", "coterie.tasks:TaskSet",
    "coterie.tasks:TextTask",
)  # fmt: skip
"""The classes whose objects are saved and loaded, and the interfaces of such: a class that is none
of these, or derives from none, is only constructed as the value of a field whose annotation names
it. So a file chooses among kinds, and cannot have any class constructed that happens to be
imported."""


def find_kind(path: Any, options: Sequence[Any], name: str) -> type:
    """Return the class of a public name. Raises ValueError unless one of the options allows it."""
    kind = find_class(path, name)
    classes = [get_origin(each) or each for each in options if each not in (Any, object)]
    is_free = len(classes) < len(options)
    if issubclass(kind, tuple(classes)) or (is_free and is_declared(kind)):
        return kind
    allowed = [each.__name__ for each in classes] or [each.partition(":")[2] for each in KINDS]
    wanted = f"a {' or a '.join(allowed)}"
    raise ValueError(f"{name} holds a {kind.__name__} ({path}), where {wanted} is wanted")


def is_declared(kind: type) -> bool:
    """Return whether a class is one of `KINDS` or derives from one."""
    for base in kind.__mro__:
        if base.__module__.partition(".")[0] == ROOT:
            with suppress(ValueError):  # an inner class has no public name
                if get_public_name(base) in KINDS:
                    return True
    return False


def find_class(path: Any, name: str) -> type:
    """Return the frozen dataclass of a public name. Raises ValueError if there is none."""
    what = f"{name}.is = {abbreviate(path)}"
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
        # A list: a module that imports lazily grows while its names are looked up.
        found = list_exports(module_name) if is_own else list(vars(module))
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
