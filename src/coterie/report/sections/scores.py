"""Scores of all systems and controls, with their differences to the baseline, and sentences."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from coterie.evaluate.headline import describe_few_samples
from coterie.evaluate.intervals import Interval
from coterie.evaluate.table import SystemRow, Table, TaskColumn
from coterie.report.context import CONTROLS, ReportContext, TableColumn, get_control_words
from coterie.report.correctness import describe_metric
from coterie.report.formatting import Axis, format_signed, is_number, make_axis
from coterie.report.score_details import list_score_details
from coterie.report.section import Section
from coterie.train.run_directory import MissingFile


class IntervalChart(NamedTuple):
    """The tasks that share an axis: task -> the columns that have a number for it, with it."""

    title: str
    unit: str
    axis: Axis
    rows: Mapping[str, Sequence[tuple[TableColumn, Interval]]]


class ScoresSection(Section):
    """A table and a chart of scores with intervals; differences and delta_m in a second table."""

    title = "Scores"
    order = 10

    def build(self, context: ReportContext) -> Mapping[str, Any]:
        table, single = context.table, context.single_task_table
        return {
            "best": {task.name: table.find_best(task) for task in table.columns},
            "charts": build_charts(table, context.columns),
            "others": [
                (row, system)
                for row, system in context.columns
                if not row.control and row.difference and row.system != table.baseline
            ],
            "single_task_deltas": {row.system: row.delta_m for row in single.rows if row.delta_m}
            if single
            else {},
            "details": list_score_details(context.systems),
            "missing": list_missing(context),
        }

    def summarize(self, context: ReportContext, values: Mapping[str, Any]) -> Iterator[str]:
        """Yield sentences; the first answers "is it better?", as far as the numbers allow."""
        above = list(summarize_controls(context))
        mine = context.rows.get(context.highlighted.name)
        if mine is not None and mine.difference and mine.system != context.table.baseline:
            yield from compare_to_baseline(context.table, mine)
        elif not above or len(context.systems) > 1:
            yield summarize_without_differences(context, mine)
        yield from above
        yield from (f"{text[0].upper()}{text[1:]}." for text in list_warnings(context))


def list_warnings(context: ReportContext) -> Iterator[str]:
    """Yield what limits the scores: unequal sizes, few samples, rows that were trained on."""
    table = context.table
    sizes = table.list_unequal_sizes() if len(context.systems) > 1 else {}
    if size := sizes.get(context.highlighted.name):
        yield size
    if few := describe_few_samples({task.name: task.samples for task in table.columns}):
        yield few
    for run in context.highlighted.runs:
        for use, found in run.scores.get_shared_rows().items():
            for task, rows in found.items():
                yield (
                    f"{rows.count} of the rows of {task} that were scored were {use}, the first "
                    f"is {Path(rows.first).name}, so the score is not of new rows"
                )


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


def list_missing(context: ReportContext) -> list[MissingFile]:
    """List the scores and controls that there are not, and why systems were not compared."""
    found = []
    for system in context.systems:
        folders = [run.directory for run in system.runs if not run.metrics]
        what = f"No scores of {system.name}"
        found += [folder.explain(folder.scores_file(), what) for folder in folders]
        reason = context.table.not_compared.get(system.name)
        if reason and not folders:
            several = len(context.systems) > 1
            what = "No paired differences of {}" if several else "Scores of {} are those saved"
            found.append(MissingFile(f"{what.format(system.name)}: {reason}"))
    shown = {row.control for row, _ in context.columns}
    for control, (label, _) in CONTROLS.items():
        # Without media, a task that is answered by an image has no question.
        is_asked = control != "blind" or context.highlighted.has_text_predictions
        if control not in shown and is_asked:
            folders = [run.directory for run in context.highlighted.runs]
            missing = (each for each in folders if not each.scores_file(control).is_file())
            folder = next(missing, folders[0])
            found.append(folder.explain(folder.scores_file(control), f"No {label} control"))
    return found


def compare_to_baseline(table: Table, mine: SystemRow) -> Iterator[str]:
    """Yield the highlighted system against the baseline, then the others."""
    baseline = str(table.baseline)
    verdicts = [
        task.orient(mine.difference[task.name]).verdict
        for task in table.columns if task.name in mine.difference
    ]  # fmt: skip
    yield format_counts(mine.system, baseline, verdicts)
    deltas = {
        row.system: row.delta_m for row in table.rows
        if row.delta_m is not None and math.isfinite(row.delta_m.value)
        and not row.control and row.system != baseline
    }  # fmt: skip
    mean = deltas.pop(mine.system, None)
    if mean is not None:
        conclusion = {
            "better": "on the whole it is better",
            "worse": "on the whole it is worse",
            "open": "the interval includes zero, so on the whole no difference is shown",
        }[mean.verdict]
        picked = (
            f" (picked from {len(deltas) + 1} by this number, which flatters it)" if deltas else ""
        )
        yield f"Mean relative difference {format_percent(mean)}: {conclusion}{picked}."
    if deltas:
        listed = "; ".join(f"{name} {format_percent(each)}" for name, each in deltas.items())
        yield f"The others against {baseline}: {listed}."


def format_counts(name: str, baseline: str, verdicts: Sequence[str]) -> str:
    """Say on how many tasks a system is better, worse, or neither; a verdict for each task."""
    better, worse, open_ = (verdicts.count(each) for each in ("better", "worse", "open"))
    tasks = format_task_count(len(verdicts))
    if not better and not worse:
        return f"{name} and {baseline} cannot be told apart on any of {tasks}."
    notes = [f"is worse on {worse}"] if better and worse else []
    notes += [f"{open_} too close to call"] if open_ else []
    listed = f" ({', '.join(notes)})" if notes else ""
    if not better:
        return f"{name} loses to {baseline} on {worse} of {tasks}{listed}."
    if better > worse:
        return f"{name} beats {baseline} on {better} of {tasks}{listed}."
    return f"{name} does not beat {baseline}: better on {better} of {tasks}{listed}."


def format_percent(difference: Interval) -> str:
    """Format a mean relative difference with its interval."""
    value, low, high = (format_signed(each, "%") for each in difference)
    return f"{value} % [{low}, {high}]"


def summarize_without_differences(context: ReportContext, mine: SystemRow | None) -> str:
    """Return the sentence for one system, or for several that were not compared."""
    if mine is None or not mine.tasks:
        return f"{context.highlighted.name} has not been evaluated yet."
    tasks = format_task_count(len(mine.tasks))
    if len(context.systems) == 1:
        return f"{mine.system} was evaluated on {tasks}."
    return (
        f"{len(context.systems)} systems were evaluated on {tasks}; there are no paired "
        "differences, so only intervals that lie apart count."
    )


def summarize_controls(context: ReportContext) -> Iterator[str]:
    """Yield on how many tasks the highlighted system is clearly above each control."""
    table, name = context.table, context.highlighted.name
    mine = context.rows.get(name)
    for row, system in context.columns:
        # The untrained model is the same for every system; other controls belong to one.
        own = row.control == "untrained" or system == context.highlighted
        if not row.control or not own or mine is None:
            continue
        both = [
            task for task in table.columns
            if all(task.name in each and is_number(each[task.name].value)
                   for each in (mine.tasks, row.tasks))
        ]  # fmt: skip
        above = sum(table.is_clearly_better(task, name, row.system) for task in both)
        if both:
            what, count = get_control_words(row.control)[1], format_task_count(len(both))
            yield f"{name} is clearly above {what} on {above} of {count}."


def format_task_count(number: int) -> str:
    """Format a number of tasks."""
    return f"{number} task" if number == 1 else f"{number} tasks"
