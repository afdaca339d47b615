"""The conflict between tasks before and after training, as heat maps and sentences."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from coterie.report.folder import Gap
from coterie.report.heat import Heat, heat, picture
from coterie.report.matrix import average, mean_of, table
from coterie.report.numbers import is_number
from coterie.report.scores import number
from coterie.report.systems import System

FILE = "conflict.json"
AFTER = "coterie diagnose {0} --tasks TASKS.yaml --to {0}/conflict.json"
AFTER_ON_PICTURES = "coterie diagnose {0} --to {0}/conflict.json"


@dataclass(frozen=True, kw_only=True)
class Group:
    """The map of one group of layers, as a small picture."""

    name: str
    picture: str
    alt: str


@dataclass(frozen=True, kw_only=True)
class Conflict:
    """One measurement: the mean map over layer groups, the maps themselves, the transfer."""

    title: str
    sentence: str
    negative_percent: float | None
    noise: float | None
    mean: Heat
    groups: tuple[Group, ...]
    transfer: Heat | None


@dataclass(frozen=True, kw_only=True)
class Conflicts:
    """Before and after, as far as they were measured."""

    shown: tuple[Conflict, ...]
    gaps: tuple[Gap, ...]


def conflicts(found: tuple[System, ...], before: Mapping[str, Any] | None) -> Conflicts:
    """`before`, measured on the untrained model, and beside it each system's first measurement."""
    shown, gaps = [], []
    if all(len(run.task_names) == 1 for system in found for run in system.runs):
        return Conflicts(shown=(), gaps=(Gap(what="One task alone has nobody to conflict with"),))
    if before is None:
        # Of pictures, heads that have learned nothing say nothing: there is no "before".
        if all(system.on_pictures for system in found):
            return after(found, shown, gaps)
        gaps.append(
            Gap(
                what="The conflict before training was not given",
                command="coterie diagnose MODEL --tasks TASKS.yaml --to conflict.json",
            )
        )
    else:
        shown += conflict("Before training", before)
    return after(found, shown, gaps)


def after(found: tuple[System, ...], shown: list[Conflict], gaps: list[Gap]) -> Conflicts:
    """With what was measured of each system's runs; a model for each task has nobody to meet."""
    for system in found:
        if all(len(run.task_names) == 1 for run in system.runs):
            continue
        measured = (run.mapping(FILE) for run in system.runs)
        held = next((each for each in measured if each), None)
        if held is None:
            what = f"No conflict measured after training {system.name}"
            command = AFTER_ON_PICTURES if system.on_pictures else AFTER
            gaps.append(system.runs[0].gap(what, FILE, command))
        else:
            shown += conflict(f"After training: {system.name}", held)
    return Conflicts(shown=tuple(shown), gaps=tuple(gaps))


def conflict(title: str, data: Mapping[str, Any]) -> Iterator[Conflict]:
    """The measurement in a file; nothing if the file holds no square map of two tasks or more."""
    tasks = [str(task) for task in data.get("tasks", ())]
    maps = [table(each, len(tasks), len(tasks)) for each in data.get("cosine", ())]
    if len(tasks) < 2 or not maps or None in maps:
        return
    held = [each for each in maps if each is not None]
    groups = [str(name) for name in data.get("groups", ())]
    groups += [f"group {i + 1}" for i in range(len(groups), len(held))]
    transfer = table(data.get("transfer"), len(tasks), len(tasks))
    share = data.get("negative_share")
    yield Conflict(
        title=title,
        sentence=str(data.get("sentence", "")),
        negative_percent=100 * number(share) if is_number(share) else None,
        noise=mean_of(data.get("within")),
        mean=heat(tasks, tasks, average(held), most=1.0),
        groups=tuple(
            Group(
                name=name,
                picture=picture(each, most=1.0),
                alt=f"Map of gradient cosines between tasks in {name}",
            )
            for name, each in zip(groups, held, strict=False)
        ),
        transfer=heat(tasks, tasks, transfer) if transfer else None,
    )
