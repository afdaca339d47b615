"""Limits are above 0."""

import pytest

from coterie.serve.limits import ServerLimits


@pytest.mark.parametrize("wrong", [0, -1])
def test_a_limit_that_allows_nothing(wrong: int) -> None:
    assert ServerLimits(waiting=1).waiting == 1
    with pytest.raises(ValueError, match=rf"ServerLimits\(answers={wrong}\): give a number above"):
        ServerLimits(answers=wrong)
