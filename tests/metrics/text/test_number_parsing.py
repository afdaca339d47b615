"""Numbers in texts."""

import pytest

from coterie.metrics.text.number_parsing import find_nearest, parse_number, parse_numbers


@pytest.mark.parametrize(
    "text, expected",
    [
        ("about 1,250 kcal", 1250),
        ("3.", 3),
        ("v2 is 4", 4),
        ("-.5", -0.5),
        ("\u22122", -2),
        ("1e3", 1000),
        ("$3.20", 3.2),
        ("50%", 50),
        ("5kg", 5),
        ("12, 13", 12),
        ("9e999 5", 5),  # the first is infinite
        ("two", None),
        ("e5", None),
        ("+", None),
        ("", None),
    ],
)
def test_number_in(text: str, expected: float | None) -> None:
    assert parse_number(text) == expected


@pytest.mark.parametrize(
    "text, expected",
    [("95%", 0.95), ("about 9.5 % of 3", 0.095), ("-50\uff05", -0.5), ("95", 95), ("3 of 5%", 3)],
)
def test_percent_divides_by_100(text: str, expected: float) -> None:
    assert parse_number(text, divides_percent=True) == pytest.approx(expected)


def test_an_answer_without_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'two' has no number in digits, and the metric compares"):
        parse_numbers(("2", "two"))


def test_the_nearest_answer_counts_and_silence_is_zero() -> None:
    assert find_nearest("about 7", ("1", "6")) == (7, 6)
    assert find_nearest("no idea", ("9", "6")) == (0, 6)
