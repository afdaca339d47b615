"""Lengths of samples in a line."""

from coterie.data.dataset import BadRow
from coterie.tasks.split_summary import SplitSummary


def test_lengths_are_nearest_ranks():
    # Of 1 to 40 the 20th is the median, 95 % are at or below the 38th, and 10 are above 30.
    found = SplitSummary(tasks=("a",), split="train", token_counts=range(40, 0, -1))
    said = "least 1, median 20, 95 % 38, most 40"
    assert found.describe_lengths(None) == said
    assert found.describe_lengths(30) == f"{said}; 25.0 % above 30"
    assert SplitSummary(tasks=("a",), split="train").describe_lengths(None) == ""


def test_a_bad_row_or_no_row_is_no_good():
    bad = BadRow(source="r:1", field="row", reason="is bad")
    assert SplitSummary(tasks=("a",), split="train", num_samples=1).is_good
    assert not SplitSummary(tasks=("a",), split="train", num_samples=1, bad_rows=(bad,)).is_good
    assert not SplitSummary(tasks=("a",), split="train", problem="no rows").is_good
