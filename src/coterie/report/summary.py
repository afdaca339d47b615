"""The verdict in sentences, computed from the numbers: it says so when a system loses."""

from collections.abc import Iterator, Sequence

from coterie.report.comparison import Comparison, MeanDifference
from coterie.report.conflict import ConflictMaps
from coterie.report.formatting import format_signed
from coterie.report.scores import ScoreBoard, ScoreInterval, ScoreRow
from coterie.report.systems import ReportSystem

CONTROLS = {
    "untrained": "the model before training",
    "media-blind": "a control that sees the words only",
}


def summarize(
    board: ScoreBoard,
    highlighted: ReportSystem,
    versus: Comparison | None,
    conflicts: Sequence[ConflictMaps],
) -> tuple[str, ...]:
    """Sentences; the first is the answer to "is it better?", as far as it can be given."""
    above = list(summarize_controls(board, highlighted))
    if versus:
        sentences = [*compare_to_baseline(board, highlighted, versus), *above]
    else:
        systems = sum(not column.control for column in board.columns)
        sentences = (
            above
            if above and systems == 1
            else [*summarize_single_system(board, highlighted), *above]
        )
    sentences += summarize_conflict(conflicts)
    return tuple(sentences)


def compare_to_baseline(
    board: ScoreBoard, highlighted: ReportSystem, versus: Comparison
) -> Iterator[str]:
    """The subject against the baseline, then the others."""
    yield format_counts(
        highlighted.name, versus.baseline.name, [*versus.tasks[highlighted.name].values()]
    )
    overall = versus.delta_m.get(highlighted.name)
    if overall is not None:
        yield f"Mean relative difference {format_difference(overall)}: {interpret(overall)}{warn_about_selection(versus)}."
    others = {
        name: each
        for name, each in versus.delta_m.items()
        if name not in (highlighted.name, versus.baseline.name)
    }
    if others:
        listed = "; ".join(f"{name} {format_difference(each)}" for name, each in others.items())
        yield f"The others against {versus.baseline.name}: {listed}."


def warn_about_selection(versus: Comparison) -> str:
    """A warning where the subject was picked by the very numbers that speak for it."""
    several = len(versus.delta_m)
    return f" (picked from {several} by this number, which flatters it)" if several > 1 else ""


def format_counts(name: str, baseline: str, known: Sequence[MeanDifference]) -> str:
    """On how many tasks it is better, worse, or neither."""
    better = sum(each.is_better for each in known)
    worse = sum(each.is_worse for each in known)
    verb = "beats" if better > worse else "does not beat"
    if not better and worse:
        verb = "loses to"
    number = worse if verb == "loses to" else better
    tail = [f"is worse on {worse}"] if worse and verb != "loses to" else []
    if len(known) - better - worse:
        tail.append(f"{len(known) - better - worse} too close to call")
    rest = f" ({', '.join(tail)})" if tail else ""
    if verb == "does not beat" and not better and not worse:
        return (
            f"{name} and {baseline} cannot be told apart on any of {format_task_count(len(known))}."
        )
    if verb == "does not beat":
        return f"{name} does not beat {baseline}: better on {better} of {format_task_count(len(known))}{rest}."
    return f"{name} {verb} {baseline} on {number} of {format_task_count(len(known))}{rest}."


def format_difference(difference: MeanDifference) -> str:
    """A mean relative difference with its interval."""
    low, high = format_signed(difference.low, "%"), format_signed(difference.high, "%")
    return f"{format_signed(difference.value, '%')} % [{low}, {high}]"


def interpret(difference: MeanDifference) -> str:
    """What the interval allows to say."""
    if difference.is_better:
        return "on the whole it is better"
    if difference.is_worse:
        return "on the whole it is worse"
    return "the interval includes zero, so on the whole no difference is shown"


def summarize_single_system(board: ScoreBoard, highlighted: ReportSystem) -> Iterator[str]:
    """One system, or several without paired differences."""
    known = [row for row in board.rows if get_score(board, row, highlighted.name)]
    if not known:
        yield f"{highlighted.name} has not been evaluated yet."
        return
    systems = [column.system for column in board.columns if not column.control]
    if len(systems) == 1:
        yield f"{highlighted.name} was evaluated on {format_task_count(len(known))}."
        return
    yield (
        f"{len(systems)} systems were evaluated on {format_task_count(len(known))}; there are no paired "
        "differences, so only intervals that lie apart count."
    )


def summarize_controls(board: ScoreBoard, highlighted: ReportSystem) -> Iterator[str]:
    """On how many tasks the subject is clearly above its controls."""
    for column_number, column in enumerate(board.columns):
        if not column.control or column.system != highlighted:
            continue
        pairs = [
            (row, get_score(board, row, highlighted.name), row.scores[column_number])
            for row in board.rows
        ]
        both = [(row, a, b) for row, a, b in pairs if a and b and a.is_known and b.is_known]
        above = sum(
            a.is_clearly_better(b, higher_is_better=row.higher_is_better) for row, a, b in both
        )
        if both:
            yield (
                f"{highlighted.name} is clearly above {CONTROLS[column.control]} on {above} of "
                f"{format_task_count(len(both))}."
            )


def get_score(board: ScoreBoard, row: ScoreRow, name: str) -> ScoreInterval | None:
    """A system's score in a row."""
    for column, found in zip(board.columns, row.scores, strict=True):
        if column.name == name and not column.control:
            return found
    return None


def summarize_conflict(conflicts: Sequence[ConflictMaps]) -> Iterator[str]:
    """The share of task pairs in conflict."""
    known = [each for each in conflicts if each.negative_percent is not None]
    if known:
        listed = "; ".join(
            f"{each.title[0].lower()}{each.title[1:]} {each.negative_percent:.0f} %"
            for each in known
        )
        yield f"Pairs of tasks whose gradients point against each other: {listed}."


def format_task_count(number: int) -> str:
    """With its noun."""
    return f"{number} task" if number == 1 else f"{number} tasks"
