"""`open_rows`: the source of a file, a folder, a pattern, a list of these, or a hub id."""

import glob
import os
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from coterie.data.sources.base import RowSource
from coterie.data.sources.concatenated import join
from coterie.data.sources.files import find_kind, open_file
from coterie.data.sources.folder import METADATA, FolderSource, is_visible
from coterie.data.sources.huggingface import load_from_disk, load_from_hub
from coterie.data.sources.repository import (
    check_shards,
    find_row_files,
    list_folders,
    open_row_files,
)
from coterie.data.splits import ALIASES, MissingSplitError, find_split
from coterie.file_names import suggest_file

SAVED = ("dataset_info.json", "dataset_dict.json")
"""Files in a folder that `datasets.Dataset.save_to_disk` wrote."""
MAX_FILES = 100_000
"""The most files that a pattern may match; more come of a pattern that is too wide."""

Paths = str | Path | Sequence[str | Path]


def open_rows(path: Paths, *, split: str) -> RowSource:
    """Open the row source at `path`.

    Args:
        path: a file of rows, see `FileSource`, which may be compressed (.gz, .bz2, .xz, .zst); a
            folder that `datasets.Dataset.save_to_disk` wrote, of a cloned hub repository, or of
            images or audio; a pattern such as "data/train-*.parquet"; several of these; or
            "hf:owner/name[:config][#split]" on the hub.
        split: the split to load if the data set has several and the path names none.

    Raises ValueError if nothing exists there or the format is not supported.
    """
    if not isinstance(path, str | Path):
        check_repeated(path)
        return open_all([open_rows(each, split=split) for each in path])
    if str(path).startswith("hf:"):
        return load_from_hub(str(path), split=split)
    file = Path(path)
    if is_pattern(file):
        check_repeated([path])
        return open_all([open_file(each, split=split) for each in find_matches(file)])
    if not os.path.exists(file):  # Path's raises for a name that is too long
        problem = f"{str(path)[:300]}: there is no such file or folder"
        raise ValueError(f"{problem}{suggest_file(str(path))}")
    return open_folder(file, split=split) if file.is_dir() else open_file(file, split=split)


def check_repeated(paths: Sequence[str | Path]) -> None:
    """Raise ValueError for a file that is in the list twice, also by a link or a pattern."""
    listed = (
        find_matches(Path(each)) if is_pattern(Path(each)) else [Path(each)] for each in paths
    )
    seen: dict[str, Path] = {}
    for path in chain(*listed):
        first = seen.setdefault(os.path.realpath(path), path)
        if first is not path:
            also = "" if str(first) == str(path) else f", also as {first}"
            raise ValueError(
                f"{path} is twice in the list of files{also}: its rows would count double; leave "
                "it once, and give the task a `weight` to have it drawn more often"
            )


def is_pattern(path: Path) -> bool:
    """Return whether a path has *, ? or [] in it, and is not the name of a file itself."""
    return glob.has_magic(str(path)) and not os.path.exists(path)


def find_matches(pattern: Path) -> list[Path]:
    """Return the files that a pattern matches, by name. Raises ValueError if it matches none."""
    found = sorted(Path(each) for each in glob.iglob(str(pattern), recursive=True))
    files = [each for each in found if each.is_file() and is_visible(each)]
    if not files:
        raise ValueError(f"{pattern}: no file matches this pattern")
    if len(files) > MAX_FILES:
        raise ValueError(f"{pattern} matches {len(files)} files: at most {MAX_FILES} are read")
    check_shards(files)
    return files


def open_all(parts: Sequence[RowSource]) -> RowSource:
    """Join sources. Raises ValueError for none, or if some have splits and some have not."""
    if not parts:
        raise ValueError("rows are an empty list: give at least one file")
    if len({part.is_split for part in parts}) > 1:
        names = ", ".join(part.name for part in parts if part.is_split)
        raise ValueError(f"{names} has splits, and other files of the list have not: give each "
                         "split a list of its own")  # fmt: skip
    return join(parts, parts[0].name, is_split=parts[0].is_split)


def open_folder(path: Path, *, split: str) -> RowSource:
    """Open a saved data set; a folder of media, with metadata or labels; or of files of rows.

    Subfolders with the names of splits, of media too, are the splits.
    """
    if any((path / name).exists() for name in SAVED):
        return load_from_disk(path, split=split)
    metadata = sorted(each for each in path.iterdir()
                      if each.name.partition(".")[0] == METADATA and find_kind(each))  # fmt: skip
    if [each.suffix for each in metadata] == [".json"] and len(find_row_files(path)) > 1:
        metadata = []  # it describes the data set of the other files
    if len(metadata) > 1:
        names = ", ".join(each.name for each in metadata)
        raise ValueError(f"{path} has {names}: keep one file of metadata")
    if metadata:
        return FolderSource(path, open_file(metadata[0], split=split))
    folders = [each.name for each in list_folders(path)]
    if folders and {name.lower() for name in folders} <= {*ALIASES}:
        name = find_split(split, folders)
        if name is None:
            raise MissingSplitError(f"{path} has no split {split!r}: it has {', '.join(folders)}")
        found = open_folder(path / name, split=split)
        found.is_split = True
        return found
    files = find_row_files(path)
    return open_row_files(path, files, split=split) if files else FolderSource(path)
