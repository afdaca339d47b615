"""The dot-and-interval chart: a line a task, a mark a system, tasks of one unit on one axis."""

import math
from dataclasses import dataclass

from coterie.report.grading import describe_metric
from coterie.report.numbers import format_number
from coterie.report.scale import Axis, make_axis
from coterie.report.scores import ScoreBoard, ScoreColumn, ScoreRow, ScoreInterval

STEP_PX = 13


@dataclass(frozen=True, kw_only=True)
class Marker:
    """A score on the axis; places in percent of its length, `y` in pixels."""

    column: ScoreColumn
    x: float
    low: float | None
    high: float | None
    y: int
    title: str


@dataclass(frozen=True, kw_only=True)
class TaskRow:
    """A task's marks, one below the other."""

    task: str
    markers: tuple[Marker, ...]
    height: int


@dataclass(frozen=True, kw_only=True)
class IntervalChart:
    """The tasks that share an axis; ticks are (percent of its length, label)."""

    title: str
    rows: tuple[TaskRow, ...]
    ticks: tuple[tuple[float, str], ...]


def build_charts(board: ScoreBoard) -> tuple[IntervalChart, ...]:
    """One panel for all tasks in percent; tasks in other units get one each."""
    groups: dict[tuple[str, bool, str], list[ScoreRow]] = {}
    for row in board.rows:
        own = "" if row.unit == "%" else row.task
        groups.setdefault((row.unit, row.higher_is_better, own), []).append(row)
    made = (build_chart(board, unit, better, rows) for (unit, better, _), rows in groups.items())
    return tuple(each for each in made if each.rows)


def build_chart(board: ScoreBoard, unit: str, higher_is_better: bool, rows: list[ScoreRow]) -> IntervalChart:
    """The panel of some rows; tasks without any score are left out."""
    held = [score for row in rows for score in row.scores if score and score.is_known]
    values = [value for score in held for value in (score.score, score.low, score.high)]
    scale = make_axis(values, zero=unit == "%")
    kind = "percent" if unit == "%" else (unit or describe_metric(rows[0].metric) or "score")
    lines = (build_task_row(board, row, scale) for row in rows)
    return IntervalChart(
        title=f"{kind}, {'higher' if higher_is_better else 'lower'} is better",
        rows=tuple(each for each in lines if each.markers),
        ticks=tuple((scale.to_percent(tick), format_tick(tick)) for tick in scale.make_ticks()),
    )


def build_task_row(board: ScoreBoard, row: ScoreRow, scale: Axis) -> TaskRow:
    """A task's marks."""
    held = [(c, s) for c, s in zip(board.columns, row.scores, strict=True) if s and s.is_known]
    marks = tuple(build_marker(c, s, scale, row, 15 + i * STEP_PX) for i, (c, s) in enumerate(held))
    return TaskRow(task=row.task, markers=marks, height=30 + STEP_PX * (len(held) - 1))


def build_marker(column: ScoreColumn, score: ScoreInterval, scale: Axis, row: ScoreRow, y: int) -> Marker:
    """A system's mark on a task's line."""
    ends = math.isfinite(score.low) and math.isfinite(score.high)
    told = f"{column.name}: {format_number(score.score, row.unit)} {row.unit}".strip()
    if ends:
        told += f" [{format_number(score.low, row.unit)}, {format_number(score.high, row.unit)}]"
    return Marker(
        column=column,
        x=scale.to_percent(score.score),
        low=scale.to_percent(score.low) if ends else None,
        high=scale.to_percent(score.high) if ends else None,
        y=y,
        title=told,
    )


def format_tick(value: float) -> str:
    """A tick's label: no more digits than it has."""
    return f"{value:,.10g}".replace("-", "\u2212")
