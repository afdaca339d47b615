"""LoadBalance against values worked out by hand."""

import pytest
import torch

from coterie.losses.load_balance import LoadBalance
from coterie.routing.decision import Routing


def routing(probs: list[list[float]], weights: list[list[float]]) -> Routing:
    x = torch.tensor(probs)
    return Routing(weights=torch.tensor(weights), probs=x, logits=x)


def test_everything_alike_is_one() -> None:
    # P = f = (.5, .5): 2 * (.25 + .25) = 1.
    one = routing([[0.6, 0.4], [0.4, 0.6]], [[0.6, 0.0], [0.0, 0.6]])
    assert LoadBalance().compute(one).item() == pytest.approx(1.0)
    assert LoadBalance(counts="top1").compute(one).item() == pytest.approx(1.0)


def test_one_expert_takes_everything() -> None:
    # P = f = (1, 0, 0): 3 * 1 = 3, the number of experts.
    one = routing([[1.0, 0.0, 0.0]], [[1.0, 0.0, 0.0]])
    assert LoadBalance().compute(one).item() == pytest.approx(3.0)


def test_counts_differ_where_two_are_chosen() -> None:
    # P = (.5, .3, .2). Chosen: (.6, .3, .1) -> 0, 1 and (.4, .3, .3) -> 0, 2.
    one = routing([[0.6, 0.3, 0.1], [0.4, 0.3, 0.3]], [[0.6, 0.3, 0.0], [0.4, 0.0, 0.3]])
    # Selected f = (2, 1, 1) / 4: 3 * (.25 + .075 + .05) = 1.125.
    assert LoadBalance().compute(one).item() == pytest.approx(1.125)
    # Top-1 f = (1, 0, 0): 3 * .5 = 1.5.
    assert LoadBalance(counts="top1").compute(one).item() == pytest.approx(1.5)


def test_gradient_is_that_of_probs_alone() -> None:
    # d/dp = E f_e / units: f = (1, 0), E = 2, one unit: (2, 0). Weights get none.
    probs = torch.tensor([[0.7, 0.3]], requires_grad=True)
    weights = torch.tensor([[0.7, 0.0]], requires_grad=True)
    LoadBalance().compute(Routing(weights=weights, probs=probs, logits=probs)).backward()
    assert probs.grad is not None and probs.grad.tolist() == [[2.0, 0.0]]
    assert weights.grad is None


def test_nothing_selected_is_zero() -> None:
    assert LoadBalance().compute(routing([[0.0, 0.0]], [[0.0, 0.0]])).item() == 0.0


def test_each_task_uses_all_experts_alike() -> None:
    # Task 0 has two units: P = (.5, .5), f = (1, 1) / 2: 2 * (.25 + .25) = 1. Task 1 has one:
    # P = (.7, .3), f = (1, 0): 2 * .7 = 1.4. Task 2 has none: 0. All at once: P = (1.7, 1.3) / 3,
    # f = (2, 1) / 3: 2 * (3.4 + 1.3) / 9 = 1.0444.
    probs = torch.tensor([[0.6, 0.4], [0.4, 0.6], [0.7, 0.3]])
    weights = torch.tensor([[0.6, 0.0], [0.0, 0.6], [0.7, 0.0]])
    both = Routing(
        weights=weights, probs=probs, logits=probs, task=torch.tensor([0, 0, 1]), num_tasks=3
    )
    assert LoadBalance(by_task=True).compute(both).item() == pytest.approx(2.4)
    assert LoadBalance().compute(both).item() == pytest.approx(9.4 / 9)


def test_released_probabilities_are_divided_by_their_sum() -> None:
    # The router adds .1 to (.7, .3): (.8, .4), of sum 1.2. f = (1, 0), so 2 * .8 = 1.6 as it is,
    # and 2 * .8 / 1.2 = 4/3 divided by the sum.
    one = routing([[0.8, 0.4]], [[0.8, 0.0]])
    assert LoadBalance().compute(one).item() == pytest.approx(1.6)
    assert LoadBalance(normalize=True).compute(one).item() == pytest.approx(4 / 3)
    # Gradient of 2 p0 / (p0 + p1): (2 p1, -2 p0) / 1.2^2 = (.8, -1.6) / 1.44.
    probs = torch.tensor([[0.8, 0.4]], requires_grad=True)
    LoadBalance(normalize=True).compute(
        Routing(weights=one.weights, probs=probs, logits=probs)
    ).backward()
    assert probs.grad is not None
    torch.testing.assert_close(probs.grad, torch.tensor([[0.8, -1.6]]) / 1.44)


def test_released_epsilon_raises_the_value_unless_divided_by_the_sum() -> None:
    # 16 equal probabilities of 1/16, plus 1e-4 each: their sum is 1.0016, and so is the value.
    one = routing([[1 / 16 + 1e-4] * 16], [[1.0] + [0.0] * 15])
    assert LoadBalance().compute(one).item() == pytest.approx(1.0016, abs=1e-6)
    assert LoadBalance(normalize=True).compute(one).item() == pytest.approx(1.0, abs=1e-6)


def test_each_task_is_divided_by_its_own_sum() -> None:
    # Task 0: (.8, .4), f = (1, 0): 4/3. Task 1: (.2, .2), f = (0, 1): 2 * 1/2 = 1. Task 2: none.
    probs = torch.tensor([[0.8, 0.4], [0.2, 0.2]], requires_grad=True)
    weights = torch.tensor([[0.8, 0.0], [0.0, 0.2]])
    both = Routing(
        weights=weights, probs=probs, logits=probs, task=torch.tensor([0, 1]), num_tasks=3
    )
    value = LoadBalance(by_task=True, normalize=True).compute(both)
    value.backward()
    assert value.item() == pytest.approx(7 / 3)
    assert probs.grad is not None and probs.grad.isfinite().all()


def test_without_tasks_there_is_no_balance_by_task() -> None:
    with pytest.raises(ValueError, match="LoadBalance needs the task"):
        LoadBalance(by_task=True).compute(routing([[0.5, 0.5]], [[0.5, 0.0]]))


def test_counts_is_checked() -> None:
    # Through the loader, as a user's JSON comes in: annotations are checked in tests only.
    from coterie import serialization

    with pytest.raises(ValueError, match="counts"):
        serialization.load({"is": "coterie:LoadBalance", "counts": "top2"})
