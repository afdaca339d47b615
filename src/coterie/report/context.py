"""`ReportContext`: the systems of a report, and the table of all, comparable or not."""

import math
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from coterie.evaluate.compare import compare, list_controls
from coterie.evaluate.estimates import RESAMPLES
from coterie.evaluate.intervals import Interval
from coterie.evaluate.scores import TaskScore
from coterie.evaluate.table import SystemRow, Table, TaskColumn
from coterie.report.systems import ReportSystem
from coterie.train.controls import describe_control

Groups = dict[str, Sequence[Path]]
"""System -> the folders of its runs."""
CONTROLS = {
    "untrained": ("untrained", "the model before training"),
    "blind": ("blind", "the same model without pictures and sounds"),
}
"""Control -> its label, and what a sentence calls it; of sensors, see `get_control_words`."""


def get_control_words(control: str) -> tuple[str, str]:
    """Return a control's label, and what a sentence calls it."""
    words = describe_control(control)
    return CONTROLS.get(control, (words, f"the same model {words}"))


class TableColumn(NamedTuple):
    """A system, or a control of one, as a column of the page's tables."""

    row: SystemRow
    system: ReportSystem

    @property
    def label(self) -> str:
        """The system's name, or that of the control."""
        return get_control_words(self.row.control)[0] if self.row.control else self.system.name


@dataclass(frozen=True, kw_only=True)
class ReportContext:
    """The systems with their runs; what is computed of them is computed when first needed.

    Attributes:
        systems: in the order they were given.
        conflict_before: the measurement of the untrained model, as its file holds it.
        command: the command line that wrote the page.
        forgetting: the measurement of tasks learned in sequence, as its file holds it.
        media_roots: folders whose pictures and sounds may be shown, beside those of the rows.
    """

    systems: Sequence[ReportSystem]
    conflict_before: Mapping[str, Any] | None
    command: str | None
    forgetting: Mapping[str, Any] | None = None
    media_roots: Sequence[Path] = ()

    @property
    def baseline(self) -> ReportSystem | None:
        """What the others are compared with: the first baseline, else the first system.

        A baseline is a system whose recipe has that role. None for one system alone.
        """
        if len(self.systems) < 2:
            return None
        return next((each for each in self.systems if each.role == "baseline"), self.systems[0])

    @cached_property
    def table(self) -> Table:
        """Scores, intervals, controls, differences, delta_m and costs of all systems."""
        return compare_available(self.systems, self.baseline, resamples=RESAMPLES)

    @cached_property
    def single_task_table(self) -> Table | None:
        """The same with single-task models as the baseline, without controls.

        None where there are none, or where they are the baseline of `table`.
        """
        single = next((each for each in self.systems if each.is_single_task), None)
        if single is None or single == self.baseline:
            return None
        return compare_available(self.systems, single, controls=False, resamples=RESAMPLES)

    @property
    def rows(self) -> dict[str, SystemRow]:
        """System, or control of one -> its row of `table`."""
        return {row.system: row for row in self.table.rows}

    @cached_property
    def highlighted(self) -> ReportSystem:
        """The system that the summary is about.

        The method with the highest delta_m; without differences, the last method.
        """
        others = [each for each in self.systems if each.name != self.table.baseline]
        methods = [each for each in others if each.role == "method"] or others or self.systems
        deltas = {name: row.delta_m.value for name, row in self.rows.items() if row.delta_m}
        known = [each for each in methods if math.isfinite(deltas.get(each.name, math.nan))]
        return max(known, key=lambda each: deltas[each.name]) if known else methods[-1]

    @property
    def evaluate_command(self) -> str:
        """The command that evaluates the highlighted system's first run."""
        return shlex.join(["coterie", "evaluate", str(self.highlighted.runs[0].directory.folder)])

    @cached_property
    def columns(self) -> Sequence[TableColumn]:
        """The systems, then each control of the highlighted system, or of the first with one."""
        by_name, rows = {each.name: each for each in self.systems}, self.rows
        found = [TableColumn(rows[name], each) for name, each in by_name.items() if name in rows]
        controlled = [row for row in self.table.rows if row.control]
        for control in dict.fromkeys([*CONTROLS, *(row.control for row in controlled)]):
            controls = [row for row in controlled if row.control == control]
            controls.sort(key=lambda row: row.control_of != self.highlighted.name)
            found += [TableColumn(row, by_name[row.control_of]) for row in controls[:1]]
        return found


def compare_available(
    systems: Sequence[ReportSystem],
    baseline: ReportSystem | None = None,
    *,
    resamples: int,
    controls: bool = True,
) -> Table:
    """Compare the systems that can be compared; never raise for one that cannot.

    A system of other tasks, samples or split than the first has its own scores and intervals, and
    no differences. A system whose predictions cannot be read has the scores that were saved, with
    an interval where it has one run. `Table.not_compared` has the reasons.

    `controls` that cannot be read are left out; `resamples` are as in `compare`.
    """
    groups: Groups = {each.name: [run.directory.folder for run in each.runs] for each in systems}
    base = baseline.name if baseline else ""
    runs = [run.directory for each in systems for run in each.runs]
    wanted = list_controls(runs) if controls else []
    with suppress(ValueError):  # find out below which systems and controls do not fit
        return compare(groups, baseline=groups.get(base), controls=wanted, resamples=resamples)
    comparable: Groups = {}
    reasons: dict[str, str] = {}
    for name in sorted(groups, key=lambda name: name != base):
        try:
            compare(comparable | {name: groups[name]}, controls=(), resamples=1)
            comparable[name] = groups[name]
        except ValueError as error:
            reasons[name] = str(error)
    tables = [_compare_with_readable_controls(comparable, base, wanted, resamples)]
    by_name = {each.name: each for each in systems}
    for name in reasons:
        alone: Groups = {name: groups[name]}
        try:
            compare(alone, controls=(), resamples=1)
            tables.append(_compare_with_readable_controls(alone, "", wanted, resamples))
        except ValueError:
            tables.append(_make_table_of_saved_scores(by_name[name]))
    return _merge_tables(tables, reasons)


def _compare_with_readable_controls(
    groups: Groups, baseline: str, controls: Sequence[str], resamples: int
) -> Table:
    if not groups:
        return Table(split="", columns=(), rows=())
    readable = []
    for control in controls:
        with suppress(ValueError):  # a damaged control, or of other samples
            compare(groups, controls=(control,), resamples=1)
            readable.append(control)
    runs = groups.get(baseline)
    return compare(groups, baseline=runs, controls=readable, resamples=resamples)


def _make_table_of_saved_scores(system: ReportSystem) -> Table:
    """Make a table of what the last evaluation saved; without rows if there are no scores."""
    found = [run.scores for run in system.runs if run.scores.tasks]
    if not found:
        return Table(split="", columns=(), rows=())
    entries: dict[str, list[TaskScore]] = {}
    for scores in found:
        for task, entry in scores.tasks.items():
            entries.setdefault(task, []).append(entry)
    intervals = {}
    for task, each in entries.items():
        ends = (math.nan, math.nan) if len(each) > 1 else (each[0].low, each[0].high)
        intervals[task] = Interval(sum(score.score for score in each) / len(each), *ends)
    columns = [
        TaskColumn(
            name=task, metric=first.metric, unit=first.unit,
            higher_is_better=first.higher_is_better, samples=first.samples,
        )
        for task, (first, *_) in entries.items()
    ]  # fmt: skip
    cost = found[0].cost if len(found) == 1 else {}
    row = SystemRow(system=system.name, seeds=(), tasks=intervals, cost=cost)
    return Table(split=found[0].split, columns=tuple(columns), rows=(row,))


def _merge_tables(tables: Sequence[Table], reasons: Mapping[str, str]) -> Table:
    columns = {column.name: column for table in reversed(tables) for column in table.columns}
    order = dict.fromkeys(column.name for table in tables for column in table.columns)
    rows: dict[str, SystemRow] = {}
    for row in (row for table in tables for row in table.rows):
        # Every table has its own "untrained" row; the first is that of the compared systems.
        rows.setdefault(row.system, row)
    return replace(
        tables[0],
        split=next((table.split for table in tables if table.split), ""),
        columns=tuple(columns[name] for name in order),
        rows=tuple(rows.values()),
        notes=tuple(dict.fromkeys(note for table in tables for note in table.notes)),
        not_compared=dict(reasons),
    )
