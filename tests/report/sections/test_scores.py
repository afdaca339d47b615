"""The sentences that compare the highlighted system with the baseline."""

import math

import pytest

from coterie.evaluate.intervals import Interval
from coterie.evaluate.table import SystemRow, Table, TaskColumn
from coterie.report.sections.scores import compare_to_baseline

COLUMN = TaskColumn(name="ocr", metric="exact", unit="%", higher_is_better=True, samples=50)


def table(*deltas: Interval | None) -> Table:
    """A baseline and one system for each delta_m, 4 points better, surely."""
    rows = [SystemRow(system="lora", seeds=(0,), tasks={"ocr": Interval(80, 70, 90)})]
    for i, delta in enumerate(deltas):
        rows.append(
            SystemRow(
                system=f"mixture-{i}", seeds=(0,), tasks={"ocr": Interval(84, 75, 93)},
                delta_m=delta, difference={"ocr": Interval(4, 2, 6)},
            )
        )  # fmt: skip
    return Table(split="test", columns=(COLUMN,), rows=tuple(rows), baseline="lora")


MINUS = "\N{MINUS SIGN}"


@pytest.mark.parametrize(
    ("delta", "interval", "conclusion"),
    [
        (Interval(5, 2.5, 7.5), "+5.0 % [+2.5, +7.5]", "on the whole it is better"),
        (
            Interval(-5, -7.5, 1),
            f"{MINUS}5.0 % [{MINUS}7.5, +1.0]",
            "the interval includes zero, so on the whole no difference is shown",
        ),
    ],
)
def test_of_two_systems(delta: Interval, interval: str, conclusion: str) -> None:
    shown = table(delta)
    assert [*compare_to_baseline(shown, shown.rows[1])] == [
        "mixture-0 beats lora on 1 of 1 task.",
        f"Mean relative difference {interval}: {conclusion}.",
    ]


def test_no_sentence_is_of_a_delta_m_that_is_undefined() -> None:
    undefined = Interval(math.nan, math.nan, math.nan)  # the baseline's scores are 0
    shown = table(undefined, None)
    assert [*compare_to_baseline(shown, shown.rows[1])] == ["mixture-0 beats lora on 1 of 1 task."]
