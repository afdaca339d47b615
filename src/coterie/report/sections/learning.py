"""Learning curves: a panel a task, a line a run, long logs averaged into equal bins of steps."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

from coterie.report.context import ReportContext
from coterie.report.formatting import Axis, is_number, make_axis
from coterie.report.section import Section
from coterie.report.systems import ReportSystem, RunFiles

BINS = 60
ALL_TASKS = "all tasks"
Points = list[tuple[float, float]]
Runs = Sequence[tuple[ReportSystem, RunFiles]]


class Curve(NamedTuple):
    """A run's (step, value)."""

    system: ReportSystem
    points: Points
    is_dashed: bool = False


class CurvePanel(NamedTuple):
    """Curves of one scale; `quantity` is the name of the y axis."""

    title: str
    quantity: str
    curves: Sequence[Curve]
    x: Axis
    y: Axis


class Learning(Section):
    """Losses by training step, and the mutual information of tasks and experts."""

    title = "Learning"
    order = 40

    def build(self, context: ReportContext) -> Mapping[str, Any]:
        runs = [(system, run) for system in context.systems for run in system.runs]
        logs = [run.log for _, run in runs if run.log]
        last = max((run.num_steps for _, run in runs), default=0)
        tasks = (task for log in logs for row in log for task in get_mapping(row, "task_loss"))
        return {
            "panels": [
                build_panel(title, runs, last) for title in dict.fromkeys([ALL_TASKS, *tasks])
            ],
            "information_panel": build_information_panel(runs, last),
            "has_validation": any("validation_loss" in row for log in logs for row in log),
            "stages": list_stages(runs),
            "steps_per_point": max((-(-len(log) // BINS) for log in logs), default=1),
            "missing": [
                run.directory.explain(run.directory.log_file, f"No learning curve of {system.name}")
                for system, run in runs
                if not run.log
            ],
        }


def list_stages(runs: Runs) -> list[tuple[ReportSystem, list[tuple[str, int]]]]:
    """List systems of several stages, with each stage's name and first step."""
    found = []
    for system, run in runs:
        first: dict[str, int] = {}
        for row in run.log:
            first.setdefault(str(row.get("stage", "")), row["step"])
        if len(first) > 1 and all(system != other for other, _ in found):
            found.append((system, list(first.items())))
    return found


def build_panel(title: str, runs: Runs, last: int) -> CurvePanel:
    """Build a task's panel, or that of all tasks."""
    curves = []
    for system, run in runs:
        if title != ALL_TASKS:
            curves.append(Curve(system, get_series(run, "task_loss", title)))
            validation = get_series(run, "validation_loss", title)
            curves.append(Curve(system, validation, is_dashed=True))
        elif not system.is_single_task:  # the loss of one task has another scale than a sum
            curves.append(Curve(system, get_series(run, "loss")))
    return scale_panel(title, "Loss, nats", curves, last)


def build_information_panel(runs: Runs, last: int) -> CurvePanel:
    """Build the panel of I(T; E): the mean over layers, the lowest and the highest layer."""
    curves = []
    for system, run in runs:
        by_step = {row["step"]: get_mapping(row, "information").values() for row in run.log}
        known = {step: list(filter(is_number, layers)) for step, layers in by_step.items()}
        ends = (min, max) if any(len(layers) > 1 for layers in known.values()) else ()
        for reduce in (fmean, *ends):
            points = [(float(step), reduce(layers)) for step, layers in known.items() if layers]
            curves.append(Curve(system, points, is_dashed=reduce is not fmean))
    return scale_panel("I(T; E), nats", "Mutual information of task and expert", curves, last)


def scale_panel(title: str, quantity: str, curves: Sequence[Curve], last: int) -> CurvePanel:
    """Build a panel of the curves that have two points, averaged to at most BINS points."""
    curves = [each._replace(points=bin_points(each.points, last)) for each in curves]
    curves = [each for each in curves if len(each.points) > 1]
    y = make_axis(value for each in curves for _, value in each.points)
    return CurvePanel(title, quantity, curves, Axis(0.0, float(last)), y)


def get_series(run: RunFiles, name: str, task: str | None = None) -> Points:
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
    columns = (zip(*held, strict=True) for held in bins.values())
    return [(fmean(steps), fmean(values)) for steps, values in columns]


def get_mapping(row: Mapping[str, object], name: str) -> Mapping[str, object]:
    """Return a mapping in a record of the log; empty if there is none."""
    held = row.get(name)
    return held if isinstance(held, Mapping) else {}
