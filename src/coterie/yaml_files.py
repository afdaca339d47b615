"""YAML files: read them safely, and construct frozen dataclasses from their mappings."""

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, get_type_hints

from coterie import serialization
from coterie.annotations import coerce
from coterie.optional_imports import import_optional

Kind = TypeVar("Kind")


def load_yaml(path: Path) -> Any:
    """Read a YAML file with the safe loader, which runs no code.

    Raises ValueError, in one line with the file's name, if it cannot be read, is not UTF-8 or not
    YAML, or has a duplicate key.
    """
    yaml = import_optional("yaml", "data")
    try:
        return yaml.load(path.read_text(encoding="utf-8-sig"), Loader=make_yaml_loader(yaml))
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8: byte {error.start} is wrong") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not YAML: {' '.join(str(error).split())}") from None


def make_yaml_loader(yaml: ModuleType) -> type:
    """Return a subclass of PyYAML's safe loader that refuses duplicate keys."""

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            keys = [self.construct_object(key, deep=True) for key, _ in node.value]
            for i, key in enumerate(keys):
                if key in keys[:i]:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key!r} comes twice", node.value[i][0].start_mark
                    )
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
