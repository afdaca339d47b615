"""The scores of all systems and controls, task by task, each with its interval."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from coterie.report.folder import Folder, Gap
from coterie.report.numbers import is_number
from coterie.report.systems import System

TRAINED, UNTRAINED, BLIND = "scores.json", "scores.untrained.json", "scores.blind.json"
CONTROLS = ((UNTRAINED, "untrained"), (BLIND, "media-blind"))


@dataclass(frozen=True, kw_only=True)
class Score:
    """A task's score and its 95 % interval, over the runs that have one; ends may be NaN."""

    score: float
    low: float
    high: float
    runs: int
    samples: int

    @property
    def is_known(self) -> bool:
        """Whether there is a number."""
        return math.isfinite(self.score)

    def clears(self, other: "Score", *, higher_is_better: bool) -> bool:
        """Whether this interval lies wholly on the better side of the other."""
        if higher_is_better:
            return self.low > other.high
        return self.high < other.low


@dataclass(frozen=True, kw_only=True)
class Column:
    """A system, or a control with the system whose runs were so evaluated."""

    name: str
    system: System
    control: str = ""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A task, with a score or None for each column."""

    task: str
    metric: str
    unit: str
    higher_is_better: bool
    scores: tuple[Score | None, ...]


@dataclass(frozen=True, kw_only=True)
class Board:
    """All scores; rows are tasks in the order of the files, columns systems and then controls."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    gaps: tuple[Gap, ...]


def board(found: tuple[System, ...], subject: System) -> Board:
    """The scores of the systems, and of the controls of `subject`, or of the first that has any."""
    columns = [Column(name=each.name, system=each) for each in found]
    tables = [read(each, TRAINED) for each in found]
    gaps = [
        run.gap(f"No scores of {each.name}", TRAINED, "coterie evaluate {}")
        for each in found
        for run in each.runs
        if not run.mapping(TRAINED)
    ]
    for name, control in CONTROLS:
        having = [each for each in (subject, *found) if read(each, name)]
        if having:
            columns.append(Column(name=control, system=having[0], control=control))
            tables.append(read(having[0], name))
        elif not (name == BLIND and subject.on_pictures):
            flag = "--blind" if name == BLIND else "--untrained"
            gaps.append(
                subject.runs[0].gap(f"No {control} control", name, f"coterie evaluate {{}} {flag}")
            )
    tasks = {task: meta for table in tables for task, (_, meta) in table.items()}
    rows = tuple(row(task, meta, tables) for task, meta in tasks.items())
    return Board(columns=tuple(columns), rows=rows, gaps=tuple(gaps))


def row(task: str, meta: Mapping[str, Any], tables: Sequence[Mapping[str, Any]]) -> Row:
    """A task's row of the board."""
    return Row(
        task=task,
        metric=str(meta.get("metric", "")),
        unit=str(meta.get("unit", "")),
        higher_is_better=bool(meta.get("higher_is_better", True)),
        scores=tuple(table[task][0] if task in table else None for table in tables),
    )


def read(system: System, name: str) -> dict[str, tuple[Score, Mapping[str, Any]]]:
    """Each task's score over the system's runs, and what a run's file says of the task."""
    entries: dict[str, list[Mapping[str, Any]]] = {}
    for run in system.runs:
        for task, entry in tasks(run, name).items():
            entries.setdefault(task, []).append(entry)
    return {task: (pooled(found), found[0]) for task, found in entries.items()}


def tasks(run: Folder, name: str) -> dict[str, Mapping[str, Any]]:
    """The entries of a scores file that are ones."""
    found = run.mapping(name).get("tasks", {})
    found = found if isinstance(found, Mapping) else {}
    return {str(task): entry for task, entry in found.items() if isinstance(entry, Mapping)}


def pooled(entries: Sequence[Mapping[str, Any]]) -> Score:
    """The mean over runs of scores and of interval ends: the runs share their test samples."""
    held = [entry for entry in entries if is_number(entry.get("score"))]
    return Score(
        score=mean([entry["score"] for entry in held]),
        low=mean([number(entry.get("low")) for entry in held]),
        high=mean([number(entry.get("high")) for entry in held]),
        runs=len(held),
        samples=max((int(number(entry.get("samples"), 0.0)) for entry in entries), default=0),
    )


def number(value: Any, otherwise: float = math.nan) -> float:
    """`value` if it is a finite number."""
    return float(value) if is_number(value) else otherwise


def mean(values: Sequence[float]) -> float:
    """NaN of nothing."""
    return sum(values) / len(values) if values else math.nan
