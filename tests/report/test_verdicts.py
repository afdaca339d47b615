"""Which system is better: by shares of paired draws, or else by intervals that lie apart."""

from coterie.evaluate.intervals import Interval
from coterie.evaluate.table import SystemRow, Table, TaskColumn
from coterie.report.verdicts import decide, find_best, is_clearly_better, orient_difference


def make_table(*, higher_is_better: bool = True, share: float | None = None) -> Table:
    """Two systems: one of 60, between 55 and 65, and one of 50, between 45 and 54."""
    column = TaskColumn(
        name="a", metric="exact", unit="%", higher_is_better=higher_is_better, samples=9
    )
    scores = {"one": Interval(60, 55, 65), "two": Interval(50, 45, 54)}
    rows = tuple(SystemRow(system=name, seeds=(0,), tasks={"a": each}) for name, each in
                 scores.items())  # fmt: skip
    better = {} if share is None else {"a": {"one": {"two": share}}}
    return Table(split="test", columns=(column,), rows=rows, better=better)


def test_a_difference_is_decided_by_its_interval() -> None:
    assert decide(Interval(2, 1, 3)) == "better" and decide(Interval(-2, -3, -1)) == "worse"
    assert decide(Interval(1, -1, 3)) == "open"


def test_above_zero_is_better_for_errors_too() -> None:
    _, error = (make_table(higher_is_better=each).columns[0] for each in (True, False))
    assert orient_difference(Interval(2, 1, 3), error) == Interval(-2, -3, -1)
    assert orient_difference(None, error) is None


def test_paired_draws_count_before_intervals() -> None:
    # The intervals lie apart: 55 is above 54.
    table = make_table()
    assert is_clearly_better(table, table.columns[0], "one", "two")
    assert find_best(table, table.columns[0]) == "one"
    # One is better in 97 % of the draws: less than 97.5 %.
    table = make_table(share=0.97)
    assert not is_clearly_better(table, table.columns[0], "one", "two")
    assert find_best(table, table.columns[0]) is None
    # Of an error, the lower system is the better one.
    table = make_table(higher_is_better=False)
    assert find_best(table, table.columns[0]) == "two"
