"""A tasks.yaml of a dense data set: `pictures`, which it is, and `vision`, how it is seen."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from coterie import datasets, serialization
from coterie.annotations import coerce, describe_annotation, get_annotations, matches_annotation
from coterie.tasks.dense.augment import Augment
from coterie.tasks.dense.dataset import DenseDataset
from coterie.tasks.dense.vision_config import VisionConfig

KEY = "pictures"
VISION = "vision"
Kind = TypeVar("Kind")


def find_dataset_kinds() -> dict[str, type[DenseDataset]]:
    """Name of each data set, which is that of its file, and its kind."""
    return {
        kind.__module__.rpartition(".")[2]: kind
        for kind in serialization.find_kinds(datasets, DenseDataset)
    }


def load_dense_tasks(given: Mapping[Any, Any], path: Path) -> dict[str, Any]:
    """What is learned, by the fields of `Plan` that hold it.

    Args:
        given: what is in the file.
        path: the file, to which folders are relative.

    Raises ValueError, naming the file and the place in it, if anything is wrong.
    """
    for key in given:
        if key not in (KEY, VISION):
            what = "a run learns words or pictures: make two files" if key == "tasks" else ""
            raise ValueError(
                f"{path}: {key}: beside `{KEY}` there may be `{VISION}`, and nothing else"
                f"{f'; {what}' if what else serialization.format_suggestions(str(key), (KEY, VISION))}"
            )
    found: dict[str, Any] = {"tasks": (), KEY: parse_dataset(given[KEY], path, f"{path}: {KEY}")}
    if VISION in given:
        found[VISION] = parse_vision(given[VISION], f"{path}: {VISION}")
    return found


def parse_dataset(items: Any, path: Path, where: str) -> DenseDataset:
    """The data set that `pictures` describes."""
    known = find_dataset_kinds()
    if not isinstance(items, Mapping) or "set" not in items:
        raise ValueError(
            f"{where} = {items!r}: give `set`, one of {', '.join(known)}, `folder`, and so on"
        )
    name, fields = items["set"], {key: value for key, value in items.items() if key != "set"}
    if not isinstance(name, str) or name not in known:
        near = serialization.format_suggestions(str(name), known)
        raise ValueError(f"{where}.set = {name!r}{near}: give one of {', '.join(known)}")
    if "folder" in fields:
        fields["folder"] = resolve_folder(fields["folder"], path, where)
    return construct_from_yaml(known[name], fields, where)


def resolve_folder(given: Any, path: Path, where: str) -> str:
    """A folder's full path; ValueError if there is none."""
    if not isinstance(given, str):
        raise ValueError(f"{where}.folder = {given!r}: give a folder, relative to {path}")
    folder = path.resolve().parent / Path(given).expanduser()
    if not folder.is_dir():
        raise ValueError(f"{where}.folder = {given!r}: there is no folder {folder}")
    return str(folder)


def parse_vision(items: Any, where: str) -> VisionConfig:
    """What `vision` describes."""
    if isinstance(items, Mapping) and isinstance(items.get("augment"), Mapping):
        augment = construct_from_yaml(Augment, items["augment"], f"{where}.augment")
        items = dict(items) | {"augment": serialization.dump(augment)}
    return construct_from_yaml(VisionConfig, items, where)


def construct_from_yaml(kind: type[Kind], items: Any, where: str) -> Kind:
    """A frozen dataclass with fields of a YAML file.

    Raises ValueError for a field that there is not, or a value that does not fit.
    """
    if not isinstance(items, Mapping):
        raise ValueError(f"{where} = {items!r}: give fields of {kind.__name__}, as key: value")
    hints = get_annotations(kind)
    for key, value in items.items():
        if key in hints and not matches_annotation(value, hints[key]):
            raise ValueError(
                f"{where}.{key} takes {describe_annotation(hints[key])}, not {value!r}"
            )
    fields = {str(key): coerce(value, hints.get(key)) for key, value in items.items()}
    return serialization.construct(kind, fields, where)
