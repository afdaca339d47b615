"""The scores of all systems and controls, task by task, each with its interval."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from coterie.report.formatting import is_number
from coterie.report.run_files import MissingData, RunFiles
from coterie.report.systems import ReportSystem

TRAINED, UNTRAINED, BLIND = "scores.json", "scores.untrained.json", "scores.blind.json"
CONTROLS = ((UNTRAINED, "untrained"), (BLIND, "media-blind"))


@dataclass(frozen=True, kw_only=True)
class ScoreInterval:
    """A task's score and its 95 % interval, over the runs that have one; ends may be NaN."""

    score: float
    low: float
    high: float
    num_runs: int
    samples: int

    @property
    def is_known(self) -> bool:
        """Whether there is a number."""
        return math.isfinite(self.score)

    def is_clearly_better(self, other: "ScoreInterval", *, higher_is_better: bool) -> bool:
        """Whether this interval lies wholly on the better side of the other."""
        if higher_is_better:
            return self.low > other.high
        return self.high < other.low


@dataclass(frozen=True, kw_only=True)
class ScoreColumn:
    """A system, or a control with the system whose runs were so evaluated."""

    name: str
    system: ReportSystem
    control: str = ""


@dataclass(frozen=True, kw_only=True)
class ScoreRow:
    """A task, with a score or None for each column."""

    task: str
    metric: str
    unit: str
    higher_is_better: bool
    scores: tuple[ScoreInterval | None, ...]


@dataclass(frozen=True, kw_only=True)
class ScoreBoard:
    """All scores; rows are tasks in the order of the files, columns systems and then controls."""

    columns: tuple[ScoreColumn, ...]
    rows: tuple[ScoreRow, ...]
    missing: tuple[MissingData, ...]


def board(found: tuple[ReportSystem, ...], highlighted: ReportSystem) -> ScoreBoard:
    """The scores of the systems, and of the controls of `subject`, or of the first that has any."""
    columns = [ScoreColumn(name=each.name, system=each) for each in found]
    tables = [read_scores(each, TRAINED) for each in found]
    gaps = [
        run.make_missing(f"No scores of {each.name}", TRAINED, "coterie evaluate {}")
        for each in found
        for run in each.runs
        if not run.read_mapping(TRAINED)
    ]
    for name, control in CONTROLS:
        having = [each for each in (highlighted, *found) if read_scores(each, name)]
        if having:
            columns.append(ScoreColumn(name=control, system=having[0], control=control))
            tables.append(read_scores(having[0], name))
        elif not (name == BLIND and highlighted.is_dense):
            flag = "--blind" if name == BLIND else "--untrained"
            gaps.append(
                highlighted.runs[0].make_missing(
                    f"No {control} control", name, f"coterie evaluate {{}} {flag}"
                )
            )
    tasks = {task: meta for table in tables for task, (_, meta) in table.items()}
    rows = tuple(build_row(task, meta, tables) for task, meta in tasks.items())
    return ScoreBoard(columns=tuple(columns), rows=rows, missing=tuple(gaps))


def build_row(task: str, meta: Mapping[str, Any], tables: Sequence[Mapping[str, Any]]) -> ScoreRow:
    """A task's row of the board."""
    return ScoreRow(
        task=task,
        metric=str(meta.get("metric", "")),
        unit=str(meta.get("unit", "")),
        higher_is_better=bool(meta.get("higher_is_better", True)),
        scores=tuple(table[task][0] if task in table else None for table in tables),
    )


def read_scores(
    system: ReportSystem, name: str
) -> dict[str, tuple[ScoreInterval, Mapping[str, Any]]]:
    """Each task's score over the system's runs, and what a run's file says of the task."""
    entries: dict[str, list[Mapping[str, Any]]] = {}
    for run in system.runs:
        for task, entry in get_task_entries(run, name).items():
            entries.setdefault(task, []).append(entry)
    return {task: (pooled(found), found[0]) for task, found in entries.items()}


def get_task_entries(run: RunFiles, name: str) -> dict[str, Mapping[str, Any]]:
    """The entries of a scores file that are ones."""
    found = run.read_mapping(name).get("tasks", {})
    found = found if isinstance(found, Mapping) else {}
    return {str(task): entry for task, entry in found.items() if isinstance(entry, Mapping)}


def pooled(entries: Sequence[Mapping[str, Any]]) -> ScoreInterval:
    """The mean over runs of scores and of interval ends: the runs share their test samples."""
    held = [entry for entry in entries if is_number(entry.get("score"))]
    return ScoreInterval(
        score=compute_mean([entry["score"] for entry in held]),
        low=compute_mean([to_number(entry.get("low")) for entry in held]),
        high=compute_mean([to_number(entry.get("high")) for entry in held]),
        num_runs=len(held),
        samples=max((int(to_number(entry.get("samples"), 0.0)) for entry in entries), default=0),
    )


def to_number(value: Any, otherwise: float = math.nan) -> float:
    """`value` if it is a finite number."""
    return float(value) if is_number(value) else otherwise


def compute_mean(values: Sequence[float]) -> float:
    """NaN of nothing."""
    return sum(values) / len(values) if values else math.nan
