"""The public names of coterie's classes: `coterie:TopK`, `coterie.metrics:ExactMatch`."""

import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from importlib.machinery import FileFinder
from pathlib import Path
from typing import Any, cast

ROOT = __name__.partition(".")[0]

NAMESPACES = tuple(
    f"{ROOT}.{name}"
    for name in ("balancing", "data", "datasets", "encoding", "experts", "losses", "metrics",
                 "modalities", "models", "routing", "tasks")
)  # fmt: skip
"""Packages that export the classes in the files of their folder, without a list of them."""


def get_public_name(kind: type) -> str:
    """Return the name under which `kind` is imported and saved.

    `coterie:Name` for a class that `coterie` lists in `__all__`; `namespace:Name` for another of
    coterie, with the namespace whose folder defines it, so that file names are not part of it;
    `module:Name` for a class outside coterie.

    Raises ValueError for a class of coterie that is exported by neither.
    """
    if kind.__module__.partition(".")[0] != ROOT:
        return f"{kind.__module__}:{kind.__qualname__}"
    for namespace in (ROOT, ".".join(kind.__module__.split(".")[:2])):
        if find_export(namespace, kind.__qualname__) is kind:
            return f"{namespace}:{kind.__qualname__}"
    raise ValueError(
        f"{kind.__qualname__} of {kind.__module__} has no public name: list it in "
        f"{ROOT}.__all__ or define it in one of {', '.join(NAMESPACES)}"
    )


def find_export(namespace: str, name: str) -> Any:
    """Return the object that `coterie` or one of the namespaces exports as `name`, or None."""
    if namespace == ROOT:
        root = import_module(ROOT)
        return getattr(root, name) if name in root.__all__ else None
    return getattr(import_module(namespace), name, None) if namespace in NAMESPACES else None


def list_exports(namespace: str) -> list[str]:
    """Return the names of the classes that `coterie` or one of the namespaces exports."""
    return [name for name, _ in inspect.getmembers(import_module(namespace), inspect.isclass)]


def export_classes(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` of a package that exports the public classes of its files.

    Classes are found by walking the folder, so that they are listed nowhere. Files are imported
    when a name is requested, those first whose own name is part of it, until one defines it.
    """

    def find(name: str) -> Any:
        if name[:1].isupper():
            for module in sorted(list_files(), key=lambda each: not is_likely(each, name)):
                if value := get_own_classes(module).get(name):
                    setattr(sys.modules[package], name, value)
                    return value
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def is_likely(module: str, name: str) -> bool:
        parts = module.removeprefix(package).replace("_", "").split(".")
        return any(part and part in name.lower() for part in parts)

    def list_files() -> Iterator[str]:
        return list_module_names(sys.modules[package].__path__, f"{package}.")

    def list_names() -> list[str]:
        found = {name for module in list_files() for name in get_own_classes(module)}
        public = {name for name in found if not name.startswith("_")}
        return sorted(public | set(vars(sys.modules[package])))

    return find, list_names


def find_functions(package: str, folders: Iterable[str]) -> dict[str, Callable[..., Any]]:
    """Return name -> function of a package's files, each of which defines one of its own name."""
    modules = sorted(list_module_names(folders, f"{package}."))
    names = {module: module.rpartition(".")[2] for module in modules}
    return {name: getattr(import_module(module), name) for module, name in names.items()}


def get_own_classes(module: str) -> dict[str, type]:
    """Return name -> class of the classes that a module defines, after importing it."""
    names = vars(import_module(module)).items()
    return {n: each for n, each in names if inspect.isclass(each) and each.__module__ == module}


def list_module_names(folders: Iterable[str], prefix: str) -> Iterator[str]:
    """Yield the dotted names of the public modules in folders and below, without importing them."""
    for finder, name, is_package in pkgutil.iter_modules(folders, prefix):
        leaf = name.rpartition(".")[2]
        if not leaf.startswith("_"):
            yield name
            if is_package:
                folder = Path(cast(FileFinder, finder).path) / leaf
                yield from list_module_names([str(folder)], f"{name}.")
