"""`compare_available`: a table of systems of which some cannot be compared, with the reasons."""

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from coterie.evaluate.compare import CONTROLS, compare
from coterie.evaluate.estimates import RESAMPLES
from coterie.evaluate.intervals import Interval
from coterie.evaluate.scores import Scores, TaskScore
from coterie.evaluate.table import SystemRow, Table, TaskColumn
from coterie.train.run_directory import RunDirectory

Groups = Mapping[str, Sequence[Path]]


def compare_available(
    groups: Groups,
    *,
    baseline: str | None = None,
    controls: bool = True,
    resamples: int = RESAMPLES,
) -> Table:
    """Compare the systems that can be compared; never raise for one that cannot.

    A system of other tasks, samples or split than the first has its own scores and intervals, and
    no differences. A system whose predictions cannot be read has the scores that were saved, with
    an interval where it has one run. `Table.not_compared` has the reasons.

    Args:
        groups: system -> the folders of its runs.
        baseline: a system of `groups`, or None.
        controls, resamples: as in `compare`; controls that cannot be read are left out.
    """
    wanted = tuple(CONTROLS) if controls else ()
    with suppress(ValueError):  # find out below which systems and controls do not fit
        runs = groups.get(baseline) if baseline is not None else None
        return compare(groups, baseline=runs, controls=wanted, resamples=resamples)
    comparable: dict[str, Sequence[Path]] = {}
    reasons: dict[str, str] = {}
    for name in sorted(groups, key=lambda name: name != baseline):
        try:
            compare(comparable | {name: groups[name]}, controls=(), resamples=1)
            comparable[name] = groups[name]
        except ValueError as error:
            reasons[name] = str(error)
    tables = [_compare_with_readable_controls(comparable, baseline, wanted, resamples)]
    for name in reasons:
        alone = {name: groups[name]}
        try:
            compare(alone, controls=(), resamples=1)
            tables.append(_compare_with_readable_controls(alone, None, wanted, resamples))
        except ValueError:
            tables.append(_read_saved_scores(name, groups[name]))
    return _merge_tables(tables, reasons)


def _compare_with_readable_controls(
    groups: Groups, baseline: str | None, controls: Sequence[str], resamples: int
) -> Table:
    if not groups:
        return Table(split="", columns=(), rows=())
    readable = []
    for control in controls:
        with suppress(ValueError):  # a damaged control, or of other samples
            compare(groups, controls=(control,), resamples=1)
            readable.append(control)
    runs = groups.get(baseline) if baseline is not None else None
    return compare(groups, baseline=runs, controls=readable, resamples=resamples)


def _read_saved_scores(name: str, folders: Sequence[Path]) -> Table:
    """Return the scores that the last evaluation saved; a table without rows if there are none."""
    found = []
    for folder in folders:
        with suppress(ValueError):
            found.append(Scores.read(RunDirectory(folder).scores_file()))
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
    row = SystemRow(system=name, seeds=(), tasks=intervals, cost=cost)
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
