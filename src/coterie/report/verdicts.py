"""Which of two systems is better, from the intervals of their scores and differences."""

from coterie.evaluate.intervals import Interval
from coterie.evaluate.table import Table, TaskColumn
from coterie.report.formatting import is_number

MIN_SHARE_BETTER = 0.975
"""The share of paired draws from which on one system is called better than another: where the
95 % interval of the difference ends above zero."""


def orient_difference(difference: Interval | None, task: TaskColumn) -> Interval | None:
    """Return a difference turned so that above zero is better; None stays None."""
    if difference is None or task.higher_is_better:
        return difference
    # Not -x, which would show a difference of 0 with a sign.
    return Interval(0 - difference.value, 0 - difference.high, 0 - difference.low)


def decide(difference: Interval) -> str:
    """Return "better" or "worse" where the whole interval is on one side of zero, else "open"."""
    return "better" if difference.low > 0 else "worse" if difference.high < 0 else "open"


def find_best(table: Table, task: TaskColumn) -> str | None:
    """Return the system that is better than every other one on a task; None if none clearly is."""
    scores = {row.system: row.tasks.get(task.name) for row in table.rows if not row.control}
    known = {name: each.value for name, each in scores.items() if each and is_number(each.value)}
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
    tasks = {row.system: row.tasks for row in table.rows}
    mine, others = tasks[one][task.name], tasks[other][task.name]
    return mine.low > others.high if task.higher_is_better else mine.high < others.low
