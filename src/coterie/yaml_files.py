"""YAML files: read them safely, and construct frozen dataclasses from their mappings."""

from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, get_type_hints

from coterie import serialization
from coterie.annotations import coerce
from coterie.io import read_regular_file
from coterie.optional_imports import import_optional

Kind = TypeVar("Kind")


MAX_BYTES = 2**18
"""The largest YAML file, 256 KiB: PyYAML takes seconds for it, and a thousand tasks are smaller."""
MAX_DEPTH = 50
"""The most mappings and lists within each other; PyYAML calls itself for each."""
MAX_VALUES = 100_000
"""The most values once aliases are followed: a few lines of them may stand for billions."""


def load_yaml(path: Path) -> Any:
    """Read a YAML file with the safe loader, which runs no code.

    Raises ValueError, in one line with the file's name, if it cannot be read, is not UTF-8 or not
    YAML, has a duplicate key, or is beyond one of the limits of this file.
    """
    yaml = import_optional("yaml", "data")
    try:
        text = read_regular_file(path, MAX_BYTES).decode("utf-8-sig")
        check_depth(path, yaml.parse(text, Loader=yaml.SafeLoader))
        loader = make_yaml_loader(yaml)(text)
        try:
            node = loader.get_single_node()
            check_values(path, node)
            return None if node is None else construct(path, loader, node)
        finally:
            loader.dispose()
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8: byte {error.start} is wrong") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not YAML: {' '.join(str(error).split())[:500]}") from None


def construct(path: Path, loader: Any, node: Any) -> Any:
    """Return the values of a parsed file. Raises ValueError for those that Python does not have."""
    try:
        return loader.construct_document(node)
    except (TypeError, ValueError, OverflowError) as error:  # such as the 99th of a month
        raise ValueError(f"{path} has a value that cannot be read: {error}") from None


def check_depth(path: Path, events: Iterable[Any]) -> None:
    """Raise ValueError for a file that is nested deeper than MAX_DEPTH."""
    depth = 0
    for event in events:
        depth += {"MappingStart": 1, "SequenceStart": 1, "MappingEnd": -1, "SequenceEnd": -1}.get(
            type(event).__name__.removesuffix("Event"), 0
        )
        if depth > MAX_DEPTH:
            raise ValueError(f"{path} is nested more than {MAX_DEPTH} deep")


def check_values(path: Path, node: Any) -> None:
    """Raise ValueError for more than MAX_VALUES values, those of aliases each time they are used.

    Also for an alias within what it stands for.
    """
    counts: dict[int, int] = {}
    open_nodes: set[int] = set()

    def count(node: Any) -> int:
        if id(node) in open_nodes:
            raise ValueError(f"{path} has an alias within what it stands for: write it out")
        if id(node) not in counts:
            open_nodes.add(id(node))
            inner = node.value if isinstance(node.value, list) else []
            pairs = [each if isinstance(each, tuple) else (each,) for each in inner]
            counts[id(node)] = 1 + sum(count(each) for pair in pairs for each in pair)
            open_nodes.discard(id(node))
        return counts[id(node)]

    if node is not None and (found := count(node)) > MAX_VALUES:
        raise ValueError(f"{path} has {found} values, with its aliases: at most {MAX_VALUES}")


def make_yaml_loader(yaml: ModuleType) -> type:
    """Return a subclass of PyYAML's safe loader that refuses duplicate keys."""

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            seen: set[Any] = set()
            for key_node, _ in node.value:
                if key_node.tag == "tag:yaml.org,2002:merge":  # <<: *alias
                    continue
                key = self.construct_object(key_node, deep=True)
                if isinstance(key, Hashable) and key in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key!r} comes twice", key_node.start_mark
                    )
                seen.update([key] if isinstance(key, Hashable) else [])
            return super().construct_mapping(node, deep)

    return Loader


def construct_from_yaml(kind: type[Kind], items: Any, where: str) -> Kind:
    """Construct a frozen dataclass from a mapping of a YAML file.

    Lists become tuples, and integers floats if a field is one. `where` is file and key, for the
    ValueError that an unknown or missing field raises, or a value that does not fit.
    """
    if not isinstance(items, Mapping):
        raise ValueError(f"{where} = {items!r}: give fields of {kind.__name__}, as key: value")
    hints = get_type_hints(kind)
    fields = {
        str(key): coerce(value, hints.get(key, Any), f"{where}.{key}")
        for key, value in items.items()
    }
    return serialization.construct(kind, fields, where)
