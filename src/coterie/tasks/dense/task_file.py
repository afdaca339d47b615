"""Parsing of `pictures` and `vision` of tasks.yaml to a dense data set and `VisionConfig`."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from coterie import serialization
from coterie.annotations import abbreviate, coerce, format_suggestions
from coterie.metrics.text.normalization import to_snake_case
from coterie.plugins import TASKS, find_plugin
from coterie.tasks.dense.augment import Augment
from coterie.tasks.dense.dataset import DenseDataset
from coterie.tasks.dense.vision_config import VisionConfig

DATASET_KEY, VISION_KEY = "pictures", "vision"
Kind = TypeVar("Kind")


def list_dataset_kinds() -> dict[str, type[DenseDataset]]:
    """List the imported kinds of data set by their name for `set`.

    The name is the class's in snake case for coterie's packages, else `module:Name`.
    `coterie.read_tasks` imports all of coterie.datasets and of `coterie.plugins.TASKS` first.
    """
    kinds: dict[str, type[DenseDataset]] = {}
    for kind in serialization.list_imported_kinds(DenseDataset):
        name = f"{kind.__module__}:{kind.__qualname__}"
        is_own = name.startswith(("coterie.", "coterie_demo."))
        kinds[to_snake_case(kind.__name__) if is_own else name] = kind
    return dict(sorted(kinds.items()))


def parse_dense_tasks(items: Mapping[Any, Any], path: Path) -> tuple[DenseDataset, VisionConfig]:
    """Parse the contents of a file. Raises ValueError, naming the file and the key in it."""
    keys = (DATASET_KEY, VISION_KEY)
    for key in items:
        if key not in keys:
            near = format_suggestions(str(key), keys)
            raise ValueError(
                f"{path}: {key}: a file of a dense data set has `{DATASET_KEY}` and, optionally, "
                f"`{VISION_KEY}`{near}; a run has tasks of one kind, so put tasks of another kind "
                "into a file of their own"
            )
    dataset = parse_dataset(items[DATASET_KEY], path, f"{path}: {DATASET_KEY}")
    vision, where = items.get(VISION_KEY, {}), f"{path}: {VISION_KEY}"
    if isinstance(vision, Mapping) and isinstance(vision.get("augment"), Mapping):
        augment = construct_from_yaml(Augment, vision["augment"], f"{where}.augment")
        vision = {**vision, "augment": serialization.dump(augment)}
    return dataset, construct_from_yaml(VisionConfig, vision, where)


def parse_dataset(items: Any, path: Path, where: str) -> DenseDataset:
    """Parse the data set that `pictures` describes."""
    known = list_dataset_kinds()
    if not isinstance(items, Mapping) or "set" not in items:
        raise ValueError(
            f"{where} = {abbreviate(items)}: give `set`, one of {', '.join(known)}, `folder`, and "
            "so on"
        )
    name, fields = items["set"], {key: value for key, value in items.items() if key != "set"}
    if not isinstance(name, str) or name not in known:
        try:
            find_plugin(TASKS, str(name))
        except ValueError as error:  # of an extra that is not installed
            raise ValueError(f"{where}.set: {error}") from None
        near = format_suggestions(str(name), known)
        raise ValueError(f"{where}.set = {abbreviate(name)}{near}: give one of {', '.join(known)}")
    if "folder" in fields:
        given = f"{where}.folder = {abbreviate(fields['folder'])}"
        if not isinstance(fields["folder"], str):
            raise ValueError(f"{given}: give a folder, relative to {path}")
        folder = path.resolve().parent / os.path.expanduser(fields["folder"])
        if not os.path.isdir(folder):  # Path's raises for a name that is too long
            raise ValueError(f"{given}: there is no folder {str(folder)[:300]}")
        fields["folder"] = str(folder)
    return construct_from_yaml(known[name], fields, where)


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
