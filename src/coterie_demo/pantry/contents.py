"""Tasks and splits that a folder of the pantry holds: those in `tasks.yaml`, written last."""

import json
from collections.abc import Callable, Collection, Mapping
from functools import cache
from pathlib import Path
from typing import cast

from coterie.io import read_text, set_mode, sync, write
from coterie.serialization import find_kinds
from coterie.task_file import load_yaml
from coterie_demo.pantry import tasks as folder
from coterie_demo.pantry.data_card import write_card
from coterie_demo.pantry.sources import SPEECH
from coterie_demo.pantry.tasks.base import PantryTask

TASKS, CARD = "tasks.yaml", "card.json"
Splits = Mapping[PantryTask, tuple[str, ...]]
"""Tasks by name, and splits of each."""


@cache
def list_tasks() -> tuple[PantryTask, ...]:
    """All tasks, by name."""
    made = [cast(Callable[[], PantryTask], kind)() for kind in find_kinds(folder, PantryTask)]
    return tuple(sorted(made, key=lambda task: task.name))


def select_splits(names: Collection[str] | None) -> Splits:
    """All that there is; or of tasks by name the splits that need no source but the task's own.

    Raises ValueError for an unknown name.
    """
    if names is None:
        return {task: tuple(task.sizes) for task in list_tasks()}
    known = [task.name for task in list_tasks()]
    if unknown := sorted({*names} - {*known}):
        raise ValueError(f"the pantry has no task {', '.join(unknown)}: it has {', '.join(known)}")
    return {task: task.list_splits(task.sources) for task in list_tasks() if task.name in names}


def read_splits(target: Path) -> Splits:
    """The tasks and splits that a folder has; none if it is missing or empty.

    Raises ValueError if it has anything else.
    """
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return {}
    try:
        read_text(target / CARD)
        rows = {each["name"]: each["rows"] for each in load_yaml(target / TASKS)["tasks"]}
    except (ValueError, KeyError, TypeError):
        advice = "remove it, or give another folder to build one in"
        raise ValueError(f"{target} is no pantry: {advice}") from None
    # Those of another version may have other names.
    return {task: keep(task, rows[task.name]) for task in list_tasks() if task.name in rows}


def list_missing(asked: Splits, present: Splits) -> Splits:
    """What is asked for and not there; with all tasks that are spoken, where one is missing.

    The sounds of a clip depend on those that were spoken before it.
    """
    missing = subtract(asked, present)
    if any(SPEECH in task.list_sources(split) for task in missing for split in missing[task]):
        spoken = {task: task.list_splits({SPEECH}) for task in list_tasks()}
        spoken = {task: splits for task, splits in spoken.items() if SPEECH in task.sources}
        missing = unite(missing, subtract(spoken, present))
    return missing


def subtract(splits: Splits, others: Splits) -> Splits:
    """The splits that the others do not have; without tasks of none."""
    left = {task: {*splits[task]} - {*others.get(task, ())} for task in splits}
    return {task: keep(task, names) for task, names in left.items() if names}


def intersect(splits: Splits, others: Splits) -> Splits:
    """The splits that the others have, too; without tasks of none."""
    return subtract(splits, subtract(splits, others))


def unite(splits: Splits, others: Splits) -> Splits:
    """The splits of both, in the order of all."""
    both = [task for task in list_tasks() if task in splits or task in others]
    return {task: keep(task, (*splits.get(task, ()), *others.get(task, ()))) for task in both}


def keep(task: PantryTask, names: Collection[str]) -> tuple[str, ...]:
    """The splits of a task that are named, in order."""
    return tuple(split for split in task.sizes if split in names)


def move_files(made: Path, target: Path) -> None:
    """Move all files of a folder to the same places below another; each appears whole."""
    changed = {target}
    for file in [each for each in sorted(made.rglob("*")) if each.is_file()]:
        place = target / file.relative_to(made)
        place.parent.mkdir(exist_ok=True)
        set_mode(place.parent)
        set_mode(file)
        sync(file)
        file.replace(place)
        changed.add(place.parent)
    for each in changed:
        sync(each)


def write_index(target: Path, splits: Splits) -> None:
    """Write the data card, and then `tasks.yaml`, of the rows and media that are below `target`."""
    write_card(target, splits)
    write(target / TASKS, to_tasks_yaml(splits))


def to_tasks_yaml(made: Splits) -> str:
    """`tasks.yaml`; its values are written as JSON, which YAML contains."""
    lines = ["# The embedded data set of coterie; CARD.md says what it is made of."]
    missing = subtract(select_splits(None), made)
    absent = [task.name for task in missing if task not in made]
    if absent:
        lines += [f"# {len(made)} of {len(list_tasks())} tasks; without {', '.join(absent)}."]
    lines += [
        f"# Without {', '.join(splits)} of {task.name}."
        for task, splits in missing.items()
        if task in made
    ]
    lines += ["# `coterie fetch pantry` builds what is missing."] if missing else []
    lines += ["tasks:"]
    for task, splits in made.items():
        lines += [f"  - name: {task.name}", "    rows:"]
        lines += [f"      {split}: {task.name}/{split}.jsonl" for split in splits]
        lines += [f"    metric: {json.dumps(task.metric)}"]
        lines += [f"    max_new_tokens: {task.max_new_tokens}"]
    return "\n".join(lines) + "\n"
