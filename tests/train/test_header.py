"""Numbers of parameters in a header; tests/train/test_train.py has a whole one."""

import pytest

from coterie.train.header import format_count


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (999, "999"), (1_234, "1.23 k"), (9_830_400, "9.83 M"), (7_600_000_000, "7.6 B")],
)
def test_counts_have_three_digits(count: int, text: str) -> None:
    assert format_count(count) == text
