"""The dot-and-interval chart: a line a task, a mark a system, tasks of one unit on one axis."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from coterie.evaluate.intervals import Interval
from coterie.evaluate.table import Table, TaskColumn
from coterie.report.correctness import describe_metric
from coterie.report.formatting import MINUS, is_number
from coterie.report.section import TableColumn

MAX_TICKS = 6


class Axis(NamedTuple):
    """An axis from `low` to `high`."""

    low: float
    high: float

    def to_percent(self, value: float) -> float:
        """Convert to percent of the length; values off the axis are at its end, NaN at 0."""
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return round(100 * min(max(0.0, share), 1.0), 2)

    def list_ticks(self) -> list[tuple[float, str]]:
        """List percent of the length and label of at most MAX_TICKS round values.

        They are multiples of 1, 2 or 5 times a power of ten.
        """
        step = round_step((self.high - self.low) / (MAX_TICKS - 1))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        values = [round(i * step, 12) for i in range(first, last + 1)][:MAX_TICKS]
        return [(self.to_percent(each), f"{each:,.10g}".replace("-", MINUS)) for each in values]


def make_axis(values: Iterable[float], *, zero: bool = False) -> Axis:
    """Make an axis of all finite values, ends rounded outward; with `zero`, zero too."""
    held = [value for value in values if math.isfinite(value)] + ([0.0] if zero else [])
    if not held:
        return Axis(0.0, 1.0)
    low, high = min(held), max(held)
    step = round_step(((high - low) or abs(high) or 1.0) / 5)
    low, high = math.floor(low / step) * step, math.ceil(high / step) * step
    return Axis(round(low, 12), round(high if high > low else low + step, 12))


def round_step(least: float) -> float:
    """Round up to 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(least)) if least > 0 else 1.0
    return next(m * power for m in (1, 2, 5, 10) if m * power >= least * (1 - 1e-9))


def format_points(points: Iterable[tuple[float, float]], x: Axis, y: Axis) -> str:
    """Format the points of an SVG polyline, both axes from 0 to 100, y downward."""
    return " ".join(f"{x.to_percent(a):.4g},{100 - y.to_percent(b):.4g}" for a, b in points)


class IntervalChart(NamedTuple):
    """The tasks that share an axis: task -> the columns that have a number for it, with it."""

    title: str
    unit: str
    axis: Axis
    rows: Mapping[str, Sequence[tuple[TableColumn, Interval]]]


def build_charts(table: Table, columns: Sequence[TableColumn]) -> list[IntervalChart]:
    """Build one chart for all tasks in percent, and one for each task in another unit."""
    groups: dict[tuple[bool, str], list[TaskColumn]] = {}
    for task in table.columns:
        group = (task.higher_is_better, "" if task.unit == "%" else task.name)
        groups.setdefault(group, []).append(task)
    charts = [build_chart(tasks, columns) for tasks in groups.values()]
    return [each for each in charts if each.rows]


def build_chart(tasks: Sequence[TaskColumn], columns: Sequence[TableColumn]) -> IntervalChart:
    """Build the chart of tasks that share a unit; tasks without any score are left out."""
    first = tasks[0]
    rows: dict[str, list[tuple[TableColumn, Interval]]] = {}
    for task in tasks:
        for column in columns:
            score = column.row.tasks.get(task.name)
            if score is not None and is_number(score.value):
                rows.setdefault(task.name, []).append((column, score))
    ends = (value for scores in rows.values() for _, score in scores for value in score)
    kind = "percent" if first.unit == "%" else first.unit or describe_metric(first.metric)
    return IntervalChart(
        title=f"{kind or 'score'}, {'higher' if first.higher_is_better else 'lower'} is better",
        unit=first.unit,
        axis=make_axis(ends, zero=first.unit == "%"),
        rows=rows,
    )
