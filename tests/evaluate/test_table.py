"""Tables as text."""

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
