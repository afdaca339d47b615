"""What limits a comparison, in words."""

import math

from coterie.evaluate.headline import (
    describe_delta,
    describe_few_samples,
    describe_sizes,
    format_millions,
)
from coterie.evaluate.intervals import Interval


def test_few_samples() -> None:
    assert describe_few_samples({"a": 30, "b": 31}) == ""
    assert describe_few_samples({"a": 29, "b": 31, "c": 6}) == (
        "fewer than 30 samples: a has 29, c has 6; take such scores and intervals as rough"
    )


def test_sizes() -> None:
    lora, large = {"trainable_parameters": 9_800_000}, {"trainable_parameters": 308_000_000}
    # 308 / 9.8 = 31.4.
    assert describe_sizes("awaker", large, "lora", lora) == (
        "not of equal size: awaker trains 308 M parameters and lora 9.8 M, awaker 31.4 times as "
        "many as lora"
    )
    assert "lora 31.4 times" not in describe_sizes("lora", lora, "awaker", large)
    assert describe_sizes("a", lora, "b", {"trainable_parameters": 9_000_000}) == ""
    assert describe_sizes("a", lora, "b", {}) == ""


def test_counts_and_verdicts() -> None:
    assert [*map(format_millions, (950, 1200, 2.5e9))] == ["950", "1.2 K", "2.5 G"]
    deltas = [Interval(1, 0.5, 2), Interval(-1, -2, -0.5), Interval(0, -1, 1)]
    assert [*map(describe_delta, [*deltas, Interval(math.nan, math.nan, math.nan)])] == [
        "+1.00 [+0.50, +2.00] %, better on the whole",
        "-1.00 [-2.00, -0.50] %, worse on the whole",
        "+0.00 [-1.00, +1.00] %, no difference is shown",
        "undefined",  # the baseline's scores are 0
    ]
