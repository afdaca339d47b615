"""The normalisation of VQA."""

import pytest

from coterie.metrics.text.vqa_normalization import normalize_vqa


@pytest.mark.parametrize(
    "text, expected",
    [
        ("The Red, car.", "red car"),
        ("two dogs", "2 dogs"),
        ("none", "0"),
        ("dont know", "don't know"),
        ("ice-cream", "ice cream"),  # a mark between two letters is a space
        ("yes !", "yes"),  # and one beside a space is nothing
        ("1,000", "1000"),
        ("3.5", "3.5"),
        ("a\nb", "b"),
    ],
)
def test_by_hand(text: str, expected: str) -> None:
    assert normalize_vqa(text) == expected
