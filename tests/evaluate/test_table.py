"""Tables as text."""

from coterie.evaluate.intervals import Interval
from coterie.evaluate.table import (
    SystemRow,
    Table,
    TaskColumn,
    format_interval,
    format_markdown_table,
)

NAN = float("nan")


def test_numbers_have_three_digits_and_their_interval() -> None:
    assert format_interval(Interval(81.25, 78.0, 84.06)) == "81.2 [78.0, 84.1]"
    assert format_interval(Interval(1.234, 1.0, 1.5), sign=True) == "+1.23 [+1.00, +1.50]"
    assert format_interval(Interval(0.1234, -0.1, 0.2)) == "0.123 [-0.100, 0.200]"
    assert format_interval(Interval(0.0, 0.0, 0.0)) == "0.0 [0.0, 0.0]"
    assert format_interval(Interval(50.0, NAN, NAN)) == "50.0"
    assert format_interval(Interval(NAN, NAN, NAN)) == "undefined"


def test_a_grid_is_aligned_and_keeps_bars_out_of_cells() -> None:
    assert format_markdown_table(["a", "b"], [["x|y", "1"]]) == (
        "| a    |   b |\n| ---- | --: |\n| x\\|y |   1 |"
    )


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
