"""Importance against values worked out by hand."""

import pytest
import torch

from coterie.losses.importance import Importance
from coterie.routing.decision import Routing


def routing(weights: list[list[float]]) -> Routing:
    x = torch.tensor(weights, requires_grad=True)
    return Routing(weights=x, probs=x, logits=x)


def test_alike_is_zero() -> None:
    assert Importance().value(routing([[1.0, 0.0], [0.0, 1.0]])).item() == 0.0


def test_variance_of_the_paper_and_of_the_code() -> None:
    # Sums (3, 1): mean 2, squared deviations 1 + 1. Paper 2/2 / 4 = .25; code 2/1 / 4 = .5.
    one = routing([[2.0, 1.0], [1.0, 0.0]])
    assert Importance().value(one).item() == pytest.approx(0.25)
    assert Importance(unbiased=True).value(one).item() == pytest.approx(0.5)


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("weights", [[[0.0, 0.0, 0.0]], [[2.0]]])
def test_nothing_chosen_and_one_expert_are_zero(unbiased: bool, weights: list[list[float]]) -> None:
    one = routing(weights)
    value = Importance(unbiased=unbiased).value(one)
    value.backward()
    assert value.item() == 0.0
    assert one.weights.grad is not None and one.weights.grad.isfinite().all()
