"""Systems against a baseline, by `coterie.evaluate`'s paired bootstrap, and the best of a task."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from coterie.report.run_files import MissingData
from coterie.report.scores import ScoreBoard, ScoreRow, to_number
from coterie.report.systems import ReportSystem

RESAMPLES = 1000
MIN_SHARE_BETTER = 0.975
"""The share of paired draws from which on one is called better: where the 95 % interval of the
difference ends above zero."""


@dataclass(frozen=True, kw_only=True)
class MeanDifference:
    """By how much a system is better than the baseline (above 0: better), with its interval."""

    value: float
    low: float
    high: float

    @property
    def is_better(self) -> bool:
        """Whether the whole interval is above zero."""
        return self.low > 0

    @property
    def is_worse(self) -> bool:
        """Whether the whole interval is below zero."""
        return self.high < 0

    @property
    def verdict(self) -> str:
        """ "better", "worse" or "open"."""
        return "better" if self.is_better else "worse" if self.is_worse else "open"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All systems against one.

    Attributes:
        baseline: the one.
        scores: system -> task -> mean over seeds, with an interval over samples and seeds.
        tasks: system -> task -> difference in the task's unit.
        overall: system -> mean over tasks of the difference as a share of the baseline's score,
            in percent (delta_m).
        better: task -> A -> B -> share of paired draws in which A is better than B.
        notes: what a reader must know of the numbers.
    """

    baseline: ReportSystem
    scores: Mapping[str, Mapping[str, MeanDifference]]
    tasks: Mapping[str, Mapping[str, MeanDifference]]
    delta_m: Mapping[str, MeanDifference]
    better: Mapping[str, Mapping[str, Mapping[str, float]]]
    notes: tuple[str, ...]


def versus(
    found: Sequence[ReportSystem], baseline: ReportSystem
) -> tuple[Comparison | None, tuple[MissingData, ...]]:
    """The systems against `baseline`; None, and why, if they cannot be compared."""
    from coterie.evaluate.compare import compare

    folders = {each.name: [run.path for run in each.runs] for each in found}
    try:
        table = compare(
            folders, baseline=folders[baseline.name], controls=False, resamples=RESAMPLES
        ).dump()
    except ValueError as error:
        return None, (MissingData(message=f"No paired differences between systems: {error}"),)
    return read_comparison(table, baseline), ()


def read_comparison(table: Mapping[str, Any], baseline: ReportSystem) -> Comparison:
    """A dump of `coterie.evaluate.Table`, differences turned so that above zero is better."""
    signs = {each["name"]: 1 if each["higher_is_better"] else -1 for each in table["columns"]}
    rows = {row["system"]: row for row in table["rows"]}
    return Comparison(
        baseline=baseline,
        scores={
            name: {task: parse_difference(cell) for task, cell in row["tasks"].items()}
            for name, row in rows.items()
        },
        tasks={
            name: {
                task: parse_difference(cell, signs[task])
                for task, cell in row["difference"].items()
            }
            for name, row in rows.items()
            if name != baseline.name
        },
        delta_m={
            name: parse_difference(row["delta_m"])
            for name, row in rows.items()
            if name != baseline.name and row["delta_m"]
        },
        better=table["better"],
        notes=tuple(table["notes"]),
    )


def parse_difference(cell: Mapping[str, Any], sign: int = 1) -> MeanDifference:
    """An interval of the table; `sign` -1 turns it round."""
    low, high = sorted((sign * to_number(cell["low"]), sign * to_number(cell["high"])))
    return MeanDifference(value=sign * to_number(cell["value"]), low=low, high=high)


def sharpened(board: ScoreBoard, versus: Comparison) -> ScoreBoard:
    """The board with the intervals over samples and seeds, in place of the means of each run's."""
    rows = []
    for row in board.rows:
        scores = list(row.scores)
        for i, column in enumerate(board.columns):
            cell = versus.scores.get(column.name, {}).get(row.task)
            score = scores[i]
            if cell is not None and score is not None and not column.control:
                scores[i] = replace(score, score=cell.value, low=cell.low, high=cell.high)
        rows.append(replace(row, scores=tuple(scores)))
    return replace(board, rows=tuple(rows))


def best(row: ScoreRow, systems: Sequence[ReportSystem], versus: Comparison | None) -> int | None:
    """The column of the system that is better than all others of the row; None if none clearly is.

    Paired draws decide where there are any; else two systems differ if their own intervals lie
    apart.
    """
    scores = row.scores[: len(systems)]
    known = [(i, each.score) for i, each in enumerate(scores) if each and each.is_known]
    if len(known) < 2:
        return None
    sign = 1 if row.higher_is_better else -1
    top, _ = max(known, key=lambda each: sign * each[1])
    others = [other for other, _ in known if other != top]
    shares = versus.better.get(row.task, {}).get(systems[top].name, {}) if versus else {}
    if shares:
        clear = [shares.get(systems[other].name, math.nan) >= MIN_SHARE_BETTER for other in others]
    else:
        clear = [is_clearly_better(row, top, other) for other in others]
    return top if all(clear) else None


def is_clearly_better(row: ScoreRow, one: int, other: int) -> bool:
    """Whether the intervals of two columns lie apart, that of `one` on the better side."""
    a, b = row.scores[one], row.scores[other]
    return bool(a and b and a.is_clearly_better(b, higher_is_better=row.higher_is_better))
