"""What limits a comparison, in words."""

from coterie.evaluate.headline import (
    describe_few_samples,
    describe_sizes,
    describe_verdict,
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
    verdicts = [Interval(1, 0.5, 2), Interval(-1, -2, -0.5), Interval(0, -1, 1)]
    assert [*map(describe_verdict, verdicts)] == [
        "better on the whole", "worse on the whole", "no difference is shown"
    ]  # fmt: skip
