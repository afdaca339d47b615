"""Folders of files of rows, as cloned from the Hugging Face hub: their splits by their names."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from coterie.data.sources.base import RowSource
from coterie.data.sources.concatenated import join
from coterie.data.sources.files import find_kind, open_file
from coterie.data.sources.folder import get_media_suffixes, is_visible
from coterie.data.splits import (
    ALIASES,
    MissingSplitError,
    find_split,
    find_split_in_path,
    get_split_name,
)

NOT_ROWS = ("dataset_infos.json", "config.json", "package.json")
"""Files in such folders that hold no rows."""
SHARD = re.compile(r"(?P<split>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\b.*")
"""The name of a part of a split, such as train-00000-of-00002.parquet."""


def find_row_files(path: Path) -> list[Path]:
    """Return the files of rows in a folder, its folder `data`, or those named for splits.

    Of its other subfolders without media, which are data sets of their own, there may be one with
    files of rows. Raises ValueError if there are several.
    """
    named = [each for each in list_folders(path) if each.name.lower() in ALIASES]
    for files in (path.iterdir(), (path / "data").rglob("*"), walk(named)):
        if found := sorted(filter(is_row_file, files)):
            return found
    inner = [each for each in list_folders(path) if is_data_set(each)]
    if len(inner) > 1:
        raise ValueError(
            f"{path} has several data sets, {', '.join(each.name for each in inner)}: name one, as "
            f"{path.name}/{inner[0].name}"
        )
    return sorted(filter(is_row_file, inner[0].rglob("*"))) if inner else []


def list_folders(path: Path) -> list[Path]:
    return sorted(each for each in path.iterdir() if each.is_dir() and is_visible(each))


def walk(folders: Sequence[Path]) -> Iterator[Path]:
    for folder in folders:
        yield from folder.rglob("*")


def is_row_file(path: Path) -> bool:
    return (
        find_kind(path) is not None
        and path.name not in NOT_ROWS
        and is_visible(path)
        and path.is_file()
    )


def is_data_set(folder: Path) -> bool:
    """Return whether a folder has files of rows, and no media."""
    files = [each for each in folder.rglob("*") if each.is_file()]
    has_media = any(each.suffix.lower() in get_media_suffixes() for each in files)
    return not has_media and any(map(is_row_file, files))


def open_row_files(path: Path, files: Sequence[Path], *, split: str) -> RowSource:
    """Open the files of a split, or all if none is named for a split but train.

    Raises ValueError if there are none of it, or it is unclear which files belong together.
    """
    splits: dict[str, list[Path]] = {}
    for file in files:
        splits.setdefault(get_file_split(file.relative_to(path)), []).append(file)
    if len(splits) > 1 and (loose := splits.pop("", [])):
        kinds = {find_kind(file) for found in splits.values() for file in found}
        if unclear := [file.name for file in loose if find_kind(file) in kinds]:
            raise ValueError(
                f"{path} has files of the splits {', '.join(splits)}, and {unclear[0]}, whose name "
                "tells no split: name the files of each split in tasks.yaml"
            )
    is_split = bool({*splits} - {"", "train"})
    name = find_split(split, splits) if is_split else next(iter(splits))
    if name is None:
        raise MissingSplitError(
            f"{path} has no split {split!r}: it has {', '.join(sorted(splits))}"
        )
    chosen = splits[name]
    if len({find_kind(file) for file in chosen}) > 1:
        names = ", ".join(file.name for file in chosen[:5])
        raise ValueError(f"{path} has files of several kinds, {names}: name those that are meant")
    check_shards(chosen)
    return join([open_file(file, split=split) for file in chosen], path.name, is_split=is_split)


def get_file_split(path: Path) -> str:
    """Return the split that a file is named for; "" for none."""
    shard = SHARD.fullmatch(path.name)
    return get_split_name(shard["split"]) if shard else find_split_in_path(path) or ""


def check_shards(files: Sequence[Path]) -> None:
    """Raise ValueError if some parts of a split are missing, as after an interrupted download."""
    counts: dict[tuple[Path, str, int], int] = {}
    for file in files:
        if shard := SHARD.fullmatch(file.name):
            key = (file.parent, shard["split"], int(shard["count"]))
            counts[key] = counts.get(key, 0) + 1
    for (folder, name, count), found in counts.items():
        if found < count:
            raise ValueError(f"{folder} has {found} of the {count} parts of {name}: fetch the rest")
