"""Tables and numbers as text."""

from coterie.evaluate.formatting import (
    format_cost_table,
    format_costs,
    format_interval,
    format_markdown_table,
    format_share,
)
from coterie.evaluate.intervals import Interval

NAN = float("nan")


def test_numbers_have_three_digits_and_their_interval() -> None:
    assert format_interval(Interval(81.25, 78.0, 84.06)) == "81.2 [78.0, 84.1]"
    assert format_interval(Interval(1.234, 1.0, 1.5), sign=True) == "+1.23 [+1.00, +1.50]"
    assert format_interval(Interval(0.1234, -0.1, 0.2)) == "0.123 [-0.100, 0.200]"
    assert format_interval(Interval(0.0, 0.0, 0.0)) == "0.0 [0.0, 0.0]"
    assert format_interval(Interval(50.0, NAN, NAN)) == "50.0"
    assert format_interval(Interval(NAN, NAN, NAN)) == "undefined"


def test_a_grid_is_aligned_and_keeps_bars_out_of_cells() -> None:
    assert format_markdown_table(["a", "b"], [["x|y", "1"]]) == (
        "| a    |   b |\n| ---- | --: |\n| x\\|y |   1 |"
    )


def test_numbers_of_a_column_have_equally_many_decimals() -> None:
    assert format_costs([0.638, 2.46, None], 1.0) == ["0.6380", "2.4600", ""]
    assert format_costs([12.34, 5.678], 1.0) == ["12.34", "5.68"]
    assert format_costs([308_123_456, 9_812_345], 1e-6) == ["308.12", "9.81"]
    assert format_costs([1234.5, 250], 1.0) == ["1,234", "250"]
    assert format_costs([0, None], 1.0) == ["0.0000", ""]


def test_costs_that_no_system_has_are_no_column() -> None:
    costs = {"one": {"train_time_s": 120.0, "samples_per_s": None}, "gone": {}}
    assert format_cost_table(costs) == (
        "| cost | training, s |\n| ---- | ----------: |\n| one  |         120 |"
    )
    assert format_cost_table({"gone": {}}) == ""


def test_shares() -> None:
    assert format_share(0.876) == "88 %" and format_share(NAN) == "undefined"
