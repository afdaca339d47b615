"""Fixed against sums worked out by hand."""

import pytest
import torch

from coterie.balancing.fixed import Fixed

LOSSES = torch.tensor([1.0, 2.0, float("nan")])
PRESENT = torch.tensor([True, True, False])


def test_equal_weights() -> None:
    # 1 + 2; the third task is absent.
    assert Fixed().build(3)(LOSSES, PRESENT).item() == 3.0


def test_given_weights() -> None:
    # .5 * 1 + 3 * 2 = 6.5; the third task is absent.
    assert Fixed(weights=(0.5, 3.0, 9.0)).build(3)(LOSSES, PRESENT).item() == 6.5


def test_absent_tasks_get_no_gradient() -> None:
    losses = LOSSES.clone().requires_grad_()
    Fixed(weights=(0.5, 3.0, 9.0)).build(3)(losses, PRESENT).backward()
    assert losses.grad is not None and losses.grad.tolist() == [0.5, 3.0, 0.0]


def test_nothing_is_saved() -> None:
    module = Fixed().build(2)
    assert not module.state_dict() and not list(module.parameters())


def test_wrong_number_of_weights() -> None:
    with pytest.raises(ValueError, match="2 weights for 3 tasks: give one a task, or None"):
        Fixed(weights=(1.0, 2.0)).build(3)


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_bad_weights(weight: float) -> None:
    with pytest.raises(ValueError, match="give finite numbers, at least 0"):
        Fixed(weights=(1.0, weight))
