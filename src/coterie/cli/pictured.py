"""A tasks.yaml of a dense data set: `pictures`, which it is, and `vision`, how it is seen."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from coterie import spec
from coterie.cli.fits import fits, fitted, hints_of, said
from coterie.dense import sets
from coterie.dense.augment import Augment
from coterie.dense.rows import DenseSet
from coterie.dense.vision import Vision

KEY = "pictures"
VISION = "vision"
Kind = TypeVar("Kind")


def kinds() -> dict[str, type[DenseSet]]:
    """Name of each data set, which is that of its file, and its kind."""
    return {kind.__module__.rpartition(".")[2]: kind for kind in spec.kinds(sets, DenseSet)}


def read(given: Mapping[Any, Any], path: Path) -> dict[str, Any]:
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
                f"{f'; {what}' if what else spec.near(str(key), (KEY, VISION))}"
            )
    found: dict[str, Any] = {"tasks": (), KEY: set_of(given[KEY], path, f"{path}: {KEY}")}
    if VISION in given:
        found[VISION] = vision_of(given[VISION], f"{path}: {VISION}")
    return found


def set_of(items: Any, path: Path, where: str) -> DenseSet:
    """The data set that `pictures` describes."""
    known = kinds()
    if not isinstance(items, Mapping) or "set" not in items:
        raise ValueError(
            f"{where} = {items!r}: give `set`, one of {', '.join(known)}, `folder`, and so on"
        )
    name, fields = items["set"], {key: value for key, value in items.items() if key != "set"}
    if not isinstance(name, str) or name not in known:
        near = spec.near(str(name), known)
        raise ValueError(f"{where}.set = {name!r}{near}: give one of {', '.join(known)}")
    if "folder" in fields:
        fields["folder"] = folder_of(fields["folder"], path, where)
    return made(known[name], fields, where)


def folder_of(given: Any, path: Path, where: str) -> str:
    """A folder's full path; ValueError if there is none."""
    if not isinstance(given, str):
        raise ValueError(f"{where}.folder = {given!r}: give a folder, relative to {path}")
    folder = path.resolve().parent / Path(given).expanduser()
    if not folder.is_dir():
        raise ValueError(f"{where}.folder = {given!r}: there is no folder {folder}")
    return str(folder)


def vision_of(items: Any, where: str) -> Vision:
    """What `vision` describes."""
    if isinstance(items, Mapping) and isinstance(items.get("augment"), Mapping):
        augment = made(Augment, items["augment"], f"{where}.augment")
        items = dict(items) | {"augment": spec.dump(augment)}
    return made(Vision, items, where)


def made(kind: type[Kind], items: Any, where: str) -> Kind:
    """A frozen dataclass with fields of a YAML file.

    Raises ValueError for a field that there is not, or a value that does not fit.
    """
    if not isinstance(items, Mapping):
        raise ValueError(f"{where} = {items!r}: give fields of {kind.__name__}, as key: value")
    hints = hints_of(kind)
    for key, value in items.items():
        if key in hints and not fits(value, hints[key]):
            raise ValueError(f"{where}.{key} takes {said(hints[key])}, not {value!r}")
    fields = {str(key): fitted(value, hints.get(key)) for key, value in items.items()}
    return spec.construct(kind, fields, where)
