"""`evaluate`'s table as the page shows it: which columns, who is better, which way is good."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from coterie.evaluate.compare_available import compare_available
from coterie.evaluate.intervals import Interval
from coterie.evaluate.table import SystemRow, Table, TaskColumn
from coterie.report.systems import ReportSystem

RESAMPLES = 1000
MIN_SHARE_BETTER = 0.975
"""The share of paired draws from which on one system is called better than another: where the
95 % interval of the difference ends above zero."""
CONTROLS = {
    "untrained": ("untrained", "the model before training"),
    "blind": ("media-blind", "a control that sees the words only"),
}
"""Control -> its label, and what a sentence calls it."""


class TableColumn(NamedTuple):
    """A system, or a control of one, as a column of the page's tables."""

    row: SystemRow
    system: ReportSystem

    @property
    def label(self) -> str:
        """The system's name, or that of the control."""
        return CONTROLS[self.row.control][0] if self.row.control else self.system.name


def compare_systems(
    systems: Sequence[ReportSystem], baseline: ReportSystem | None, *, controls: bool = True
) -> Table:
    """Return `evaluate`'s table of the systems, also of those that cannot be compared."""
    return compare_available(
        {each.name: [run.directory.folder for run in each.runs] for each in systems},
        baseline=baseline and baseline.name,
        controls=controls,
        resamples=RESAMPLES,
    )


def select_highlighted_system(systems: Sequence[ReportSystem], table: Table) -> ReportSystem:
    """Return the method with the highest delta_m; without differences, the last method."""
    others = [each for each in systems if each.name != table.baseline]
    methods = [each for each in others if each.role == "method"] or others or list(systems)
    deltas = {row.system: row.delta_m.value for row in table.rows if row.delta_m is not None}
    known = [each for each in methods if math.isfinite(deltas.get(each.name, math.nan))]
    return max(known, key=lambda each: deltas[each.name]) if known else methods[-1]


def select_columns(
    systems: Sequence[ReportSystem], table: Table, highlighted: ReportSystem
) -> tuple[TableColumn, ...]:
    """Return the systems, then each control of the highlighted system, or of the first with one."""
    by_name = {each.name: each for each in systems}
    rows = {row.system: row for row in table.rows if not row.control}
    found = [TableColumn(rows[each.name], each) for each in systems if each.name in rows]
    for control in CONTROLS:
        controls = [row for row in table.rows if row.control == control]
        controls.sort(key=lambda row: row.control_of != highlighted.name)
        found += [TableColumn(row, by_name[row.control_of]) for row in controls[:1]]
    return tuple(found)


def orient_difference(difference: Interval | None, task: TaskColumn) -> Interval | None:
    """Return a difference turned so that above zero is better; None stays None."""
    if difference is None or task.higher_is_better:
        return difference
    # Not -x, which would show a difference of 0 with a sign.
    return Interval(0 - difference.value, 0 - difference.high, 0 - difference.low)


def decide(difference: Interval) -> str:
    """Return "better" or "worse" where the whole interval is on one side of zero, else "open"."""
    return "better" if difference.low > 0 else "worse" if difference.high < 0 else "open"


def find_best(table: Table, task: TaskColumn, names: Sequence[str]) -> str | None:
    """Return the system that is better than every other one on a task; None if none clearly is."""
    known = {
        row.system: row.tasks[task.name].value for row in table.rows
        if row.system in names and task.name in row.tasks
        and math.isfinite(row.tasks[task.name].value)
    }  # fmt: skip
    if len(known) < 2:
        return None
    best = (max if task.higher_is_better else min)(known, key=lambda name: known[name])
    clear = (is_clearly_better(table, task, best, name) for name in known if name != best)
    return best if all(clear) else None


def is_clearly_better(table: Table, task: TaskColumn, one: str, other: str) -> bool:
    """Whether a system is better than another in 97.5 % of paired draws.

    For systems that were not scored on the same samples: whether their intervals lie apart.
    """
    share = table.better.get(task.name, {}).get(one, {}).get(other)
    if share is not None:
        return share >= MIN_SHARE_BETTER
    rows = {row.system: row for row in table.rows}
    mine, others = rows[one].tasks[task.name], rows[other].tasks[task.name]
    return mine.low > others.high if task.higher_is_better else mine.high < others.low
