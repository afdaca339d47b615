"""Scores of all systems and controls, with their differences to the baseline."""

from collections.abc import Iterator, Mapping
from typing import Any

from coterie.report.comparison import CONTROLS, find_best, orient_difference
from coterie.report.context import ReportContext
from coterie.report.interval_chart import build_charts
from coterie.report.section import Section
from coterie.report.summary import summarize_scores
from coterie.train.run_directory import CONTROLS as CONTROL_FLAGS
from coterie.train.run_directory import MissingFile


class ScoresSection(Section):
    """A table and a chart of scores with intervals; differences and delta_m in a second table."""

    title = "Scores"
    order = 10

    def build(self, context: ReportContext) -> Mapping[str, Any]:
        names = [each.name for each in context.systems]
        return {
            "table": context.table,
            "columns": context.columns,
            "best": {
                task.name: find_best(context.table, task, names) for task in context.table.columns
            },
            "charts": build_charts(context.table, context.columns),
            "others": [
                (row, system)
                for row, system in context.columns
                if not row.control and row.difference and system != context.baseline
            ],
            "single_rows": get_single_task_rows(context),
            "orient": orient_difference,
            "missing": list_missing(context),
        }

    def summarize(self, context: ReportContext, values: Mapping[str, Any]) -> Iterator[str]:
        yield from summarize_scores(context)


def get_single_task_rows(context: ReportContext) -> Mapping[str, Any]:
    """Return the rows of the table whose baseline is the single-task models; empty without one."""
    table = context.single_task_table
    return {} if table is None else {row.system: row for row in table.rows if row.delta_m}


def list_missing(context: ReportContext) -> list[MissingFile]:
    """List the scores and controls that there are not, and why systems were not compared."""
    found = []
    for system in context.systems:
        runs = [run for run in system.runs if not run.scores]
        found += [
            run.explain(run.directory.scores_file(), f"No scores of {system.name}") for run in runs
        ]
        reason = context.table.not_compared.get(system.name)
        if reason and not runs and len(context.systems) > 1:
            found.append(MissingFile(f"No paired differences of {system.name}: {reason}"))
        elif reason and not runs:
            found.append(MissingFile(f"Scores of {system.name} are those saved: {reason}"))
    shown = {row.control for row, _ in context.columns}
    for control in CONTROL_FLAGS:
        # Without media, a task that is answered by an image has no question.
        if control in shown or (
            control == "blind" and not context.highlighted.has_text_predictions
        ):
            continue
        runs = context.highlighted.runs
        missing = (run for run in runs if not run.directory.scores_file(control).is_file())
        run = next(missing, runs[0])
        what = f"No {CONTROLS[control][0]} control"
        found.append(run.explain(run.directory.scores_file(control), what))
    return found
