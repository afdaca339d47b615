"""The dot-and-interval chart: a line a task, a mark a system, tasks of one unit on one axis."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from coterie.evaluate.bootstrap import Interval
from coterie.evaluate.table import Table, TaskColumn
from coterie.report.comparison import TableColumn
from coterie.report.correctness import describe_metric
from coterie.report.formatting import format_number


@dataclass(frozen=True)
class Axis:
    """An axis from `low` to `high`."""

    low: float
    high: float

    def to_percent(self, value: float) -> float:
        """Convert a value to percent of the length; values off the axis are at its end."""
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return round(100 * min(max(share, 0.0), 1.0), 2)

    def make_ticks(self, most: int = 6) -> list[float]:
        """Return at most `most` round values: multiples of 1, 2 or 5 times a power of ten."""
        step = round_step((self.high - self.low) / max(most - 1, 1))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [round(i * step, 12) for i in range(first, last + 1)][:most]


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


STEP_PX = 13


@dataclass(frozen=True, kw_only=True)
class Marker:
    """A score on the axis: `x`, `low`, `high` in percent of its length, `y` in pixels."""

    column: TableColumn
    x: float
    low: float | None
    high: float | None
    y: int
    title: str


@dataclass(frozen=True, kw_only=True)
class TaskRow:
    """A task's markers, one below the other."""

    task: str
    markers: tuple[Marker, ...]
    height: int


@dataclass(frozen=True, kw_only=True)
class IntervalChart:
    """The tasks that share an axis; ticks are (percent of its length, label)."""

    title: str
    rows: tuple[TaskRow, ...]
    ticks: tuple[tuple[float, str], ...]


def build_charts(table: Table, columns: Sequence[TableColumn]) -> tuple[IntervalChart, ...]:
    """Build one chart for all tasks in percent, and one for each task in another unit."""
    groups: dict[tuple[str, bool, str], list[TaskColumn]] = {}
    for task in table.columns:
        own = "" if task.unit == "%" else task.name
        groups.setdefault((task.unit, task.higher_is_better, own), []).append(task)
    made = (build_chart(tasks, columns) for tasks in groups.values())
    return tuple(each for each in made if each.rows)


def build_chart(tasks: Sequence[TaskColumn], columns: Sequence[TableColumn]) -> IntervalChart:
    """Build the chart of tasks that share a unit; tasks without any score are left out."""
    unit = tasks[0].unit
    scores = {task.name: list_scores(task, columns) for task in tasks}
    axis = make_axis(
        (value for found in scores.values() for _, score in found for value in score),
        zero=unit == "%",
    )
    kind = "percent" if unit == "%" else (unit or describe_metric(tasks[0].metric) or "score")
    return IntervalChart(
        title=f"{kind}, {'higher' if tasks[0].higher_is_better else 'lower'} is better",
        rows=tuple(build_task_row(task, scores[task.name], axis) for task in tasks
                   if scores[task.name]),
        ticks=tuple((axis.to_percent(tick), format_tick(tick)) for tick in axis.make_ticks()),
    )  # fmt: skip


def list_scores(
    task: TaskColumn, columns: Sequence[TableColumn]
) -> list[tuple[TableColumn, Interval]]:
    """List the columns that have a number for a task, with their scores."""
    found = ((column, column.row.tasks.get(task.name)) for column in columns)
    return [
        (column, score) for column, score in found if score is not None
        and math.isfinite(score.value)
    ]  # fmt: skip


def build_task_row(
    task: TaskColumn, scores: Sequence[tuple[TableColumn, Interval]], axis: Axis
) -> TaskRow:
    """Build a task's line of the chart."""
    markers = tuple(
        build_marker(column, score, axis, task.unit, 15 + number * STEP_PX)
        for number, (column, score) in enumerate(scores)
    )
    return TaskRow(task=task.name, markers=markers, height=30 + STEP_PX * (len(scores) - 1))


def build_marker(column: TableColumn, score: Interval, axis: Axis, unit: str, y: int) -> Marker:
    """Build a system's marker on a task's line."""
    has_ends = math.isfinite(score.low) and math.isfinite(score.high)
    title = f"{column.label}: {format_number(score.value, unit)} {unit}".strip()
    if has_ends:
        title += f" [{format_number(score.low, unit)}, {format_number(score.high, unit)}]"
    return Marker(
        column=column,
        x=axis.to_percent(score.value),
        low=axis.to_percent(score.low) if has_ends else None,
        high=axis.to_percent(score.high) if has_ends else None,
        y=y,
        title=title,
    )


def format_tick(value: float) -> str:
    """Format a tick's label."""
    return f"{value:,.10g}".replace("-", "\u2212")
