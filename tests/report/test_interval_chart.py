"""Axes with round ends and ticks."""

import math

from coterie.report.interval_chart import Axis, format_points, make_axis


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
