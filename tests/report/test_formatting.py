"""Numbers as text, each form beside its number."""

import math

import pytest

from coterie.report import formatting


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (81.25, "%", "81.2"),
        (-0.5, "%", "\u22120.5"),
        (123.456, "", "123.5"),
        (12345.6, "kcal", "12,346"),
        (0.012345, "", "0.0123"),
        (None, "", "n/a"),
        (math.nan, "", "n/a"),
    ],
)
def test_numbers(value: float | None, unit: str, text: str) -> None:
    assert formatting.format_number(value, unit) == text


def test_signs_ends_and_decimals() -> None:
    assert formatting.format_signed(0.5) == "+0.5" and formatting.format_signed(0.0) == "0"
    assert formatting.format_signed(math.inf) == "n/a"
    assert formatting.format_interval(1.0, 2.5) == "1 to 2.5"
    assert formatting.format_interval(math.nan, 2.5) == ""
    # What rounds to zero has no sign.
    assert [formatting.format_decimals(each) for each in (-0.004, -0.006, math.nan)] == [
        "0.00",
        "\u22120.01",
        "n/a",
    ]


def test_counts_sizes_and_durations() -> None:
    assert formatting.format_count(1.84e6) == "1.84 M" and formatting.format_count(7.0) == "7"
    assert formatting.format_size(3.0 * 2**29) == "1.50 GiB"
    assert formatting.format_size(5.0 * 2**20) == "5 MiB"
    # 3660 s are 61 minutes.
    assert formatting.format_duration(3660.0) == "1 h 01 min"
    assert formatting.format_duration(99.94) == "99.9 s"
    assert formatting.format_duration(120.0) == "2 min"


def test_common_prefix() -> None:
    strip = formatting.strip_common_prefix
    assert strip(["a.b.c", "a.b.d"]) == ["c", "d"] and strip(["a.b"]) == ["a.b"]
    assert strip(["a", "a.b"]) == ["a", "b"]
