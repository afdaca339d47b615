"""Learning curves: a panel a task, a line a run, long logs averaged into equal bins of steps."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from coterie.report.context import ReportContext
from coterie.report.formatting import format_count, format_number, is_number
from coterie.report.interval_chart import Axis, make_axis
from coterie.report.run_files import RunFiles
from coterie.report.section import Section
from coterie.report.systems import ReportSystem
from coterie.train.run_directory import MissingFile

BINS = 60
Points = list[tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A run's line: `points` of an SVG polyline, both axes from 0 to 100, y downward."""

    system: ReportSystem
    points: str
    is_dashed: bool


@dataclass(frozen=True, kw_only=True)
class CurvePanel:
    """A task's curves, with the ends of both axes; `quantity` is the name of the y axis."""

    title: str
    quantity: str
    curves: tuple[Curve, ...]
    low: str
    high: str
    last: str


@dataclass(frozen=True, kw_only=True)
class CurvesSection:
    """All panels.

    Attributes:
        panels: the loss of all tasks, then that of each task.
        information_panel: I(T; E): solid for the mean over layers, dashed for the lowest and the
            highest layer; None where no run has logged it.
        steps_per_point: the largest number of logged steps in one point.
        missing: runs without a log.
    """

    panels: tuple[CurvePanel, ...]
    information_panel: CurvePanel | None
    steps_per_point: int
    missing: tuple[MissingFile, ...]


class Learning(Section):
    """Losses by training step, and the mutual information of tasks and experts."""

    title = "Learning"
    order = 40

    def build(self, context: ReportContext) -> Mapping[str, Any]:
        return {"curves": build_curves(context.systems)}


def build_curves(found: Sequence[ReportSystem]) -> CurvesSection:
    """Build the panels of the loss of all tasks, then of each task, of all runs."""
    runs = [(system, run) for system in found for run in system.runs]
    gaps = [
        run.explain(run.directory.log_file, f"No learning curve of {system.name}")
        for system, run in runs
        if not run.log
    ]
    logs = [run.log for _, run in runs if run.log]
    if not logs:
        return CurvesSection(
            panels=(), information_panel=None, steps_per_point=1, missing=tuple(gaps)
        )
    last = max(log[-1]["step"] for log in logs)
    titles = [
        "all tasks",
        *dict.fromkeys(task for _, run in runs for task in list_logged_tasks(run)),
    ]
    panels = (build_panel(title, runs, last) for title in titles)
    inside = build_information_panel(runs, last)
    return CurvesSection(
        panels=tuple(each for each in panels if each.curves),
        information_panel=inside if inside.curves else None,
        steps_per_point=max(-(-len(log) // BINS) for log in logs),
        missing=tuple(gaps),
    )


def list_logged_tasks(run: RunFiles) -> Iterator[str]:
    """Yield the tasks of a log, in its order."""
    for row in run.log:
        yield from get_mapping(row, "task_loss")


def build_panel(title: str, runs: Sequence[tuple[ReportSystem, RunFiles]], last: int) -> CurvePanel:
    """Build a task's panel, or that of all tasks."""
    whole = title == "all tasks"
    lines: list[tuple[ReportSystem, Points, bool]] = []
    for system, run in runs:
        if whole and system.is_single_task:
            continue  # the loss of one task has another scale than a sum over tasks
        training = get_series(run, "loss" if whole else "task_loss", None if whole else title)
        lines.append((system, bin_points(training, last), False))
        if not whole:
            lines.append((system, get_series(run, "validation_loss", title), True))
    return build_panel_from_series(title, "Loss", lines, last)


def build_information_panel(runs: Sequence[tuple[ReportSystem, RunFiles]], last: int) -> CurvePanel:
    """Build the panel of I(T; E): the mean over layers, the lowest and the highest layer."""
    lines: list[tuple[ReportSystem, Points, bool]] = []
    for system, run in runs:
        rows = [(row["step"], [v for v in get_mapping(row, "information").values() if is_number(v)])
                for row in run.log]  # fmt: skip
        held = [(float(step), values) for step, values in rows if values]
        several = any(len(values) > 1 for _, values in held)
        lines.append((system, bin_points([(s, sum(v) / len(v)) for s, v in held], last), False))
        for end in (min, max) if several else ():
            lines.append((system, bin_points([(s, end(v)) for s, v in held], last), True))
    return build_panel_from_series("nats", "Mutual information of task and expert", lines, last)


def build_panel_from_series(
    title: str, quantity: str, lines: Sequence[tuple[ReportSystem, Points, bool]], last: int
) -> CurvePanel:
    """Build a panel of (system, points, dashed); a line needs two points."""
    lines = [each for each in lines if len(each[1]) > 1]
    scale = make_axis(y for _, points, _ in lines for _, y in points)
    x = Axis(0.0, float(last))
    return CurvePanel(
        title=title,
        quantity=quantity,
        curves=tuple(
            Curve(system=system, points=to_svg_points(points, x, scale), is_dashed=dashed)
            for system, points, dashed in lines
        ),
        low=format_number(scale.low),
        high=format_number(scale.high),
        last=format_count(float(last)),
    )


def get_series(run: RunFiles, name: str, task: str | None) -> Points:
    """Return (step, value) where a finite value was logged."""
    rows = (
        (row["step"], row.get(name) if task is None else get_mapping(row, name).get(task))
        for row in run.log
    )
    return [(float(step), float(value)) for step, value in rows if is_number(value)]


def bin_points(points: Points, last: int) -> Points:
    """Average points over equal ranges of steps, to at most BINS points."""
    if len(points) <= BINS:
        return points
    bins: dict[int, Points] = {}
    for step, value in points:
        bins.setdefault(min(int(BINS * step / max(last, 1)), BINS - 1), []).append((step, value))
    return [
        (sum(x for x, _ in held) / len(held), sum(y for _, y in held) / len(held))
        for held in bins.values()
    ]


def to_svg_points(points: Points, x: Axis, y: Axis) -> str:
    """Format the points of a polyline."""
    return " ".join(f"{x.to_percent(a):.4g},{100 - y.to_percent(b):.4g}" for a, b in points)


def get_mapping(row: Mapping[str, object], name: str) -> Mapping[str, object]:
    """Return a mapping in a record of the log; empty if there is none."""
    held = row.get(name)
    return held if isinstance(held, Mapping) else {}
