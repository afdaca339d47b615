"""The verdict in sentences, computed from the numbers: it says so when a system loses."""

from collections.abc import Iterator, Sequence

from coterie.report.conflict import Conflict
from coterie.report.numbers import signed
from coterie.report.scores import Board, Row, Score
from coterie.report.systems import System
from coterie.report.versus import Difference, Versus

CONTROLS = {
    "untrained": "the model before training",
    "media-blind": "a control that sees the words only",
}


def verdict(
    board: Board, subject: System, versus: Versus | None, conflicts: Sequence[Conflict]
) -> tuple[str, ...]:
    """Sentences; the first is the answer to "is it better?", as far as it can be given."""
    above = list(controls(board, subject))
    if versus:
        sentences = [*against(board, subject, versus), *above]
    else:
        systems = sum(not column.control for column in board.columns)
        sentences = above if above and systems == 1 else [*alone(board, subject), *above]
    sentences += before_and_after(conflicts)
    return tuple(sentences)


def against(board: Board, subject: System, versus: Versus) -> Iterator[str]:
    """The subject against the baseline, then the others."""
    yield counted(subject.name, versus.baseline.name, [*versus.tasks[subject.name].values()])
    overall = versus.overall.get(subject.name)
    if overall is not None:
        yield f"Mean relative difference {told(overall)}: {meaning(overall)}{chosen(versus)}."
    others = {
        name: each
        for name, each in versus.overall.items()
        if name not in (subject.name, versus.baseline.name)
    }
    if others:
        listed = "; ".join(f"{name} {told(each)}" for name, each in others.items())
        yield f"The others against {versus.baseline.name}: {listed}."


def chosen(versus: Versus) -> str:
    """A warning where the subject was picked by the very numbers that speak for it."""
    several = len(versus.overall)
    return f" (picked from {several} by this number, which flatters it)" if several > 1 else ""


def counted(name: str, baseline: str, known: Sequence[Difference]) -> str:
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
        return f"{name} and {baseline} cannot be told apart on any of {tasks(len(known))}."
    if verb == "does not beat":
        return f"{name} does not beat {baseline}: better on {better} of {tasks(len(known))}{rest}."
    return f"{name} {verb} {baseline} on {number} of {tasks(len(known))}{rest}."


def told(difference: Difference) -> str:
    """A mean relative difference with its interval."""
    low, high = signed(difference.low, "%"), signed(difference.high, "%")
    return f"{signed(difference.value, '%')} % [{low}, {high}]"


def meaning(difference: Difference) -> str:
    """What the interval allows to say."""
    if difference.is_better:
        return "on the whole it is better"
    if difference.is_worse:
        return "on the whole it is worse"
    return "the interval includes zero, so on the whole no difference is shown"


def alone(board: Board, subject: System) -> Iterator[str]:
    """One system, or several without paired differences."""
    known = [row for row in board.rows if score(board, row, subject.name)]
    if not known:
        yield f"{subject.name} has not been evaluated yet."
        return
    systems = [column.system for column in board.columns if not column.control]
    if len(systems) == 1:
        yield f"{subject.name} was evaluated on {tasks(len(known))}."
        return
    yield (
        f"{len(systems)} systems were evaluated on {tasks(len(known))}; there are no paired "
        "differences, so only intervals that lie apart count."
    )


def controls(board: Board, subject: System) -> Iterator[str]:
    """On how many tasks the subject is clearly above its controls."""
    for column_number, column in enumerate(board.columns):
        if not column.control or column.system != subject:
            continue
        pairs = [
            (row, score(board, row, subject.name), row.scores[column_number]) for row in board.rows
        ]
        both = [(row, a, b) for row, a, b in pairs if a and b and a.is_known and b.is_known]
        above = sum(a.clears(b, higher_is_better=row.higher_is_better) for row, a, b in both)
        if both:
            yield (
                f"{subject.name} is clearly above {CONTROLS[column.control]} on {above} of "
                f"{tasks(len(both))}."
            )


def score(board: Board, row: Row, name: str) -> Score | None:
    """A system's score in a row."""
    for column, found in zip(board.columns, row.scores, strict=True):
        if column.name == name and not column.control:
            return found
    return None


def before_and_after(conflicts: Sequence[Conflict]) -> Iterator[str]:
    """The share of task pairs in conflict."""
    known = [each for each in conflicts if each.negative_percent is not None]
    if known:
        listed = "; ".join(
            f"{each.title[0].lower()}{each.title[1:]} {each.negative_percent:.0f} %"
            for each in known
        )
        yield f"Pairs of tasks whose gradients point against each other: {listed}."


def tasks(number: int) -> str:
    """With its noun."""
    return f"{number} task" if number == 1 else f"{number} tasks"
