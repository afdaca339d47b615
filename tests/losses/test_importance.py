"""Importance against values worked out by hand."""

import pytest
import torch

from coterie.losses.importance import Importance
from coterie.routing.decision import Routing


def routing(weights: list[list[float]]) -> Routing:
    x = torch.tensor(weights, requires_grad=True)
    return Routing(weights=x, probs=x, logits=x)


def test_alike_is_zero() -> None:
    assert Importance().compute(routing([[1.0, 0.0], [0.0, 1.0]])).item() == 0.0


def test_variance_of_the_paper_and_of_the_code() -> None:
    # Sums (3, 1): mean 2, squared deviations 1 + 1. Paper 2/2 / 4 = .25; code 2/1 / 4 = .5.
    one = routing([[2.0, 1.0], [1.0, 0.0]])
    assert Importance().compute(one).item() == pytest.approx(0.25)
    assert Importance(unbiased=True).compute(one).item() == pytest.approx(0.5)


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("weights", [[[0.0, 0.0, 0.0]], [[2.0]]])
def test_nothing_chosen_and_one_expert_are_zero(unbiased: bool, weights: list[list[float]]) -> None:
    one = routing(weights)
    value = Importance(unbiased=unbiased).compute(one)
    value.backward()
    assert value.item() == 0.0
    assert one.weights.grad is not None and one.weights.grad.isfinite().all()


def two_tasks() -> Routing:
    """Task 0 with weights (.6, .2) and (.4, 0), task 1 with (0, .5), and a task without units."""
    x = torch.tensor([[0.6, 0.2], [0.4, 0.0], [0.0, 0.5]], requires_grad=True)
    return Routing(weights=x, probs=x, logits=x, task=torch.tensor([0, 0, 1]), num_tasks=3)


def test_each_task_is_summed_for_itself() -> None:
    # Task 0: sums (1, .2), mean .6, squared deviations .16 + .16; / 1 / .36 = .888889 (code).
    # Task 1: (0, .5): mean .25, .0625 * 2 / .0625 = 2. Task 2: 0.
    # All at once: (1, .7): mean .85, .0225 * 2 / .7225 = .062284.
    one = two_tasks()
    value = Importance(unbiased=True, by_task=True).compute(one)
    value.backward()
    assert value.item() == pytest.approx(2.888889)
    assert one.weights.grad is not None and one.weights.grad.isfinite().all()
    assert Importance(unbiased=True).compute(two_tasks()).item() == pytest.approx(
        0.062284, abs=1e-6
    )
    # The paper's variance divides by 2 where the code's divides by 1.
    assert Importance(by_task=True).compute(two_tasks()).item() == pytest.approx(1.4444444)


def test_load_counts_units_and_has_no_gradient() -> None:
    # Importance .062284 as above. Loads (2, 2): alike, 0. By task: (2, 1): mean 1.5,
    # 2 * .25 / 2.25 = .222222; (0, 1): mean .5, 2 * .25 / .25 = 2; and importance 2.888889.
    assert Importance(unbiased=True, load=True).compute(two_tasks()).item() == pytest.approx(
        0.062284, abs=1e-6
    )
    with_load, without = two_tasks(), two_tasks()
    value = Importance(unbiased=True, load=True, by_task=True).compute(with_load)
    assert value.item() == pytest.approx(2.888889 + 2.222222)
    value.backward()
    Importance(unbiased=True, by_task=True).compute(without).backward()
    assert with_load.weights.grad is not None and without.weights.grad is not None
    torch.testing.assert_close(with_load.weights.grad, without.weights.grad)


def test_without_tasks_there_is_no_importance_by_task() -> None:
    with pytest.raises(ValueError, match=r"Importance\(by_task=True\) needs the task"):
        Importance(by_task=True).compute(routing([[0.5, 0.5]]))
