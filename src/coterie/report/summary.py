"""Sentences at the top of the page, computed from the table: it says so when a system loses."""

from collections.abc import Iterator, Sequence

from coterie.evaluate.bootstrap import Interval
from coterie.evaluate.table import SystemRow
from coterie.report.comparison import CONTROLS, decide, is_clearly_better, orient_difference
from coterie.report.context import ReportContext
from coterie.report.formatting import format_signed, is_number


def summarize_scores(context: ReportContext) -> Iterator[str]:
    """Yield sentences; the first answers "is it better?", as far as the numbers allow."""
    above = list(summarize_controls(context))
    rows = {row.system: row for row in context.table.rows}
    mine = rows.get(context.highlighted.name)
    if mine is not None and mine.difference and mine.system != context.table.baseline:
        yield from compare_to_baseline(context, mine)
    elif not above or len(context.systems) > 1:
        yield from summarize_without_differences(context, mine)
    yield from above


def compare_to_baseline(context: ReportContext, mine: SystemRow) -> Iterator[str]:
    """Yield the highlighted system against the baseline, then the others."""
    table, baseline = context.table, str(context.table.baseline)
    oriented = (orient_difference(mine.difference.get(task.name), task) for task in table.columns)
    yield format_counts(mine.system, baseline, [each for each in oriented if each is not None])
    deltas = {
        row.system: row.delta_m for row in table.rows
        if row.delta_m is not None and not row.control and row.system != baseline
    }  # fmt: skip
    mean = deltas.pop(mine.system, None)
    if mean is not None:
        picked = (
            f" (picked from {len(deltas) + 1} by this number, which flatters it)" if deltas else ""
        )
        yield f"Mean relative difference {format_percent(mean)}: {interpret(mean)}{picked}."
    if deltas:
        listed = "; ".join(f"{name} {format_percent(each)}" for name, each in deltas.items())
        yield f"The others against {baseline}: {listed}."


def format_counts(name: str, baseline: str, differences: Sequence[Interval]) -> str:
    """Say on how many tasks a system is better, worse, or neither."""
    verdicts = [decide(each) for each in differences]
    better, worse, open_ = (verdicts.count(each) for each in ("better", "worse", "open"))
    tasks = format_task_count(len(verdicts))
    unsure = [f"{open_} too close to call"] if open_ else []
    if not better and not worse:
        return f"{name} and {baseline} cannot be told apart on any of {tasks}."
    if not better:
        return f"{name} loses to {baseline} on {worse} of {tasks}{format_notes(unsure)}."
    notes = format_notes([*([f"is worse on {worse}"] if worse else []), *unsure])
    if better > worse:
        return f"{name} beats {baseline} on {better} of {tasks}{notes}."
    return f"{name} does not beat {baseline}: better on {better} of {tasks}{notes}."


def format_notes(notes: Sequence[str]) -> str:
    """Format notes in parentheses; nothing for none."""
    return f" ({', '.join(notes)})" if notes else ""


def format_percent(difference: Interval) -> str:
    """Format a mean relative difference with its interval."""
    value, low, high = (format_signed(each, "%") for each in difference)
    return f"{value} % [{low}, {high}]"


def interpret(difference: Interval) -> str:
    """Say what the interval of a mean relative difference allows to conclude."""
    match decide(difference):
        case "better":
            return "on the whole it is better"
        case "worse":
            return "on the whole it is worse"
        case _:
            return "the interval includes zero, so on the whole no difference is shown"


def summarize_without_differences(context: ReportContext, mine: SystemRow | None) -> Iterator[str]:
    """Yield the sentence for one system, or for several that were not compared."""
    if mine is None or not mine.tasks:
        yield f"{context.highlighted.name} has not been evaluated yet."
        return
    tasks = format_task_count(len(mine.tasks))
    if len(context.systems) == 1:
        yield f"{mine.system} was evaluated on {tasks}."
        return
    yield (
        f"{len(context.systems)} systems were evaluated on {tasks}; there are no paired "
        "differences, so only intervals that lie apart count."
    )


def summarize_controls(context: ReportContext) -> Iterator[str]:
    """Yield on how many tasks the highlighted system is clearly above each control."""
    name, rows = context.highlighted.name, {row.system: row for row in context.table.rows}
    for row, system in context.columns:
        # The untrained model is the same for every system; other controls belong to one.
        own = row.control == "untrained" or system == context.highlighted
        if not row.control or not own or name not in rows:
            continue
        both = [
            task for task in context.table.columns
            if all(is_known(each.tasks.get(task.name)) for each in (rows[name], row))
        ]  # fmt: skip
        above = sum(is_clearly_better(context.table, task, name, row.system) for task in both)
        if both:
            yield (
                f"{name} is clearly above {CONTROLS[row.control][1]} on {above} of "
                f"{format_task_count(len(both))}."
            )


def is_known(score: Interval | None) -> bool:
    """Whether there is a number."""
    return score is not None and is_number(score.value)


def format_task_count(number: int) -> str:
    """Format a number of tasks."""
    return f"{number} task" if number == 1 else f"{number} tasks"
