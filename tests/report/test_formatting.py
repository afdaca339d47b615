"""Numbers as text, each form beside its number; axes with round ends and ticks."""

import math

import pytest

from coterie.report import formatting
from coterie.report.formatting import Axis, format_points, make_axis


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
    assert formatting.format_interval(1.0, 2.5) == "1.00 to 2.50"
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


def test_ends_are_rounded_outward_to_steps_of_1_2_or_5() -> None:
    # The range is 0.73; a fifth of it, 0.146, rounds up to steps of 0.2.
    assert make_axis([0.31, 1.04, math.nan]) == Axis(0.2, 1.2)
    assert make_axis([3.0], zero=True) == Axis(0.0, 3.0)
    assert make_axis([]) == Axis(0.0, 1.0)


def test_percent_and_ticks() -> None:
    axis = Axis(-20.0, 80.0)
    assert [axis.to_percent(each) for each in (-20.0, 0.0, 80.0, 99.0, math.nan)] == [
        0,
        20,
        100,
        100,
        0,
    ]
    # 100 over 5 gaps are steps of 20.
    ticks = [(0, "\u221220"), (20, "0"), (40, "20"), (60, "40"), (80, "60"), (100, "80")]
    assert axis.list_ticks() == ticks


def test_points_of_a_line_have_y_downward() -> None:
    assert format_points([(0.0, 0.0), (5.0, 1.0)], Axis(0.0, 10.0), Axis(0.0, 4.0)) == "0,100 50,75"
