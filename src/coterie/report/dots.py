"""The dot-and-interval chart: a line a task, a mark a system, tasks of one unit on one axis."""

import math
from dataclasses import dataclass

from coterie.report.grading import short
from coterie.report.numbers import plain
from coterie.report.scale import Scale, around
from coterie.report.scores import Board, Column, Row, Score

STEP_PX = 13


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A score on the axis; places in percent of its length, `y` in pixels."""

    column: Column
    x: float
    low: float | None
    high: float | None
    y: int
    title: str


@dataclass(frozen=True, kw_only=True)
class Line:
    """A task's marks, one below the other."""

    task: str
    marks: tuple[Mark, ...]
    height: int


@dataclass(frozen=True, kw_only=True)
class Panel:
    """The tasks that share an axis; ticks are (percent of its length, label)."""

    title: str
    lines: tuple[Line, ...]
    ticks: tuple[tuple[float, str], ...]


def panels(board: Board) -> tuple[Panel, ...]:
    """One panel for all tasks in percent; tasks in other units get one each."""
    groups: dict[tuple[str, bool, str], list[Row]] = {}
    for row in board.rows:
        own = "" if row.unit == "%" else row.task
        groups.setdefault((row.unit, row.higher_is_better, own), []).append(row)
    made = (panel(board, unit, better, rows) for (unit, better, _), rows in groups.items())
    return tuple(each for each in made if each.lines)


def panel(board: Board, unit: str, higher_is_better: bool, rows: list[Row]) -> Panel:
    """The panel of some rows; tasks without any score are left out."""
    held = [score for row in rows for score in row.scores if score and score.is_known]
    values = [value for score in held for value in (score.score, score.low, score.high)]
    scale = around(values, zero=unit == "%")
    kind = "percent" if unit == "%" else (unit or short(rows[0].metric) or "score")
    lines = (line(board, row, scale) for row in rows)
    return Panel(
        title=f"{kind}, {'higher' if higher_is_better else 'lower'} is better",
        lines=tuple(each for each in lines if each.marks),
        ticks=tuple((scale.at(tick), plain_tick(tick)) for tick in scale.ticks()),
    )


def line(board: Board, row: Row, scale: Scale) -> Line:
    """A task's marks."""
    held = [(c, s) for c, s in zip(board.columns, row.scores, strict=True) if s and s.is_known]
    marks = tuple(mark(c, s, scale, row, 15 + i * STEP_PX) for i, (c, s) in enumerate(held))
    return Line(task=row.task, marks=marks, height=30 + STEP_PX * (len(held) - 1))


def mark(column: Column, score: Score, scale: Scale, row: Row, y: int) -> Mark:
    """A system's mark on a task's line."""
    ends = math.isfinite(score.low) and math.isfinite(score.high)
    told = f"{column.name}: {plain(score.score, row.unit)} {row.unit}".strip()
    if ends:
        told += f" [{plain(score.low, row.unit)}, {plain(score.high, row.unit)}]"
    return Mark(
        column=column,
        x=scale.at(score.score),
        low=scale.at(score.low) if ends else None,
        high=scale.at(score.high) if ends else None,
        y=y,
        title=told,
    )


def plain_tick(value: float) -> str:
    """A tick's label: no more digits than it has."""
    return f"{value:,.10g}".replace("-", "\u2212")
