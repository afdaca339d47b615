"""The dot-and-interval chart: a line a task, a mark a system, tasks of one unit on one axis."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from coterie.report.correctness import describe_metric
from coterie.report.formatting import format_number
from coterie.report.scores import ScoreBoard, ScoreColumn, ScoreInterval, ScoreRow


@dataclass(frozen=True)
class Axis:
    """An axis from `low` to `high`."""

    low: float
    high: float

    def to_percent(self, value: float) -> float:
        """Where `value` stands, in percent of the length; values off the axis stand at its end."""
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return round(100 * min(max(share, 0.0), 1.0), 2)

    def make_ticks(self, most: int = 6) -> list[float]:
        """At most `most` round values on the axis: multiples of 1, 2 or 5 times a power of ten."""
        step = round_step((self.high - self.low) / max(most - 1, 1))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [round(i * step, 12) for i in range(first, last + 1)][:most]


def make_axis(values: Iterable[float], *, zero: bool = False) -> Axis:
    """An axis that holds all finite values, its ends rounded outward; with `zero`, zero too."""
    held = [value for value in values if math.isfinite(value)] + ([0.0] if zero else [])
    if not held:
        return Axis(0.0, 1.0)
    low, high = min(held), max(held)
    step = round_step(((high - low) or abs(high) or 1.0) / 5)
    low, high = math.floor(low / step) * step, math.ceil(high / step) * step
    return Axis(round(low, 12), round(high if high > low else low + step, 12))


def round_step(least: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is not below `least`."""
    power = 10.0 ** math.floor(math.log10(least)) if least > 0 else 1.0
    return next(m * power for m in (1, 2, 5, 10) if m * power >= least * (1 - 1e-9))


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


def build_chart(
    board: ScoreBoard, unit: str, higher_is_better: bool, rows: list[ScoreRow]
) -> IntervalChart:
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


def build_marker(
    column: ScoreColumn, score: ScoreInterval, scale: Axis, row: ScoreRow, y: int
) -> Marker:
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
