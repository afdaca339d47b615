"""The arguments of one evaluation."""

import pytest

from coterie.evaluate.config import EvaluationConfig


def test_a_control_is_named_by_what_is_left_out() -> None:
    assert EvaluationConfig().control == ""
    assert EvaluationConfig(blind=True).control == "blind"
    assert EvaluationConfig(blind=True, untrained=True).control == "untrained-blind"


@pytest.mark.parametrize("given", [{"limit": 0}, {"batch_size": -1}])
def test_numbers_below_one_are_refused(given: dict[str, int]) -> None:
    ((name, value),) = given.items()
    with pytest.raises(ValueError, match=f"{name}={value}: give at least 1"):
        EvaluationConfig(**given)
