"""Tables as text, and which system is better: by paired draws, else by intervals that lie apart."""

from coterie.evaluate.intervals import Interval
from coterie.evaluate.table import SystemRow, Table, TaskColumn


def test_a_whole_table() -> None:
    column = TaskColumn(name="ocr", metric="cer", unit="%", higher_is_better=False, samples=9)
    cost = {"trainable_parameters": 1234567, "train_time_s": None}
    first = SystemRow(system="alone", seeds=(0,), tasks={"ocr": Interval(4, 3, 5)},
                delta_m=Interval(0, 0, 0), cost=cost)  # fmt: skip
    second = SystemRow(
        system="rode", seeds=(0, 1), tasks={"ocr": Interval(2, 1, 3)},
        delta_m=Interval(50, 40, 60), difference={"ocr": Interval(-2, -3, -1)}, cost=cost,
    )  # fmt: skip
    better = {"delta_m": {"alone": {"rode": 0.01}, "rode": {"alone": 0.99}}}
    table = Table(split="test", columns=(column,), rows=(first, second), baseline="alone",
                  better=better, notes=("one thing",))  # fmt: skip
    assert (
        table.to_markdown()
        == """\
rode against alone: delta_m +50.0 [+40.0, +60.0] %, better on the whole. \
Fewer than 30 samples: ocr has 9; take such scores and intervals as rough.

| system | seeds | ocr, % (lower is better) |           delta_m, % |
| ------ | ----: | -----------------------: | -------------------: |
| alone  |     1 |        4.00 [3.00, 5.00] |    +0.0 [+0.0, +0.0] |
| rode   |     2 |        2.00 [1.00, 3.00] | +50.0 [+40.0, +60.0] |

| minus alone |                  ocr |
| ----------- | -------------------: |
| rode        | -2.00 [-3.00, -1.00] |

| better in delta_m than | alone | rode |
| ---------------------- | ----: | ---: |
| alone                  |       |  1 % |
| rode                   |  99 % |      |

| cost  | trainable, M |
| ----- | -----------: |
| alone |         1.23 |
| rode  |         1.23 |

- one thing
"""
    )
    row = table.dump()["rows"][1]
    assert row["delta_m"] == {"value": 50, "low": 40, "high": 60}
    assert row["difference"]["ocr"]["value"] == -2


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


def test_above_zero_is_better_for_errors_too() -> None:
    score, error = (make_table(higher_is_better=each).columns[0] for each in (True, False))
    assert score.orient(Interval(2, 1, 3)) == Interval(2, 1, 3)
    assert error.orient(Interval(2, 1, 3)) == Interval(-2, -3, -1)


def test_paired_draws_count_before_intervals() -> None:
    # The intervals lie apart: 55 is above 54.
    table = make_table()
    assert table.is_clearly_better(table.columns[0], "one", "two")
    assert table.find_best(table.columns[0]) == "one"
    # One is better in 97 % of the draws: less than 97.5 %.
    table = make_table(share=0.97)
    assert not table.is_clearly_better(table.columns[0], "one", "two")
    assert table.find_best(table.columns[0]) is None
    # Of an error, the lower system is the better one.
    table = make_table(higher_is_better=False)
    assert table.find_best(table.columns[0]) == "two"
