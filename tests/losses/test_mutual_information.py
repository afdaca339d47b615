"""MutualInformation against tables worked out by hand."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.losses.mutual_information import MutualInformation
from coterie.routing.decision import Routing
from coterie.routing.routers.top_k import TopK


def routing(probs: list[list[float]], task: list[int], num_tasks: int = 2) -> Routing:
    x = torch.tensor(probs)
    return Routing(weights=x, probs=x, logits=x, num_tasks=num_tasks, task=torch.tensor(task))


def test_each_task_with_its_own_expert() -> None:
    # Joint [[.5, 0], [0, .5]], both marginals (.5, .5): I = 2 * .5 * ln(.5 / .25) = ln 2.
    found = MutualInformation().compute(routing([[1.0, 0.0], [0.0, 1.0]], [0, 1]))
    assert found.item() == pytest.approx(-math.log(2), abs=1e-6)


def test_no_preference() -> None:
    # Joint all .25, which is the product of the marginals: I = 0.
    found = MutualInformation().compute(routing([[0.5, 0.5], [0.5, 0.5]], [0, 1]))
    assert found.item() == pytest.approx(0.0, abs=1e-7)


def test_uneven_tasks() -> None:
    # Units: task 0 (1, 0) three times, task 1 (.5, .5) once; mass 4.
    # Joint [[.75, 0], [.125, .125]], tasks (.75, .25), experts (.875, .125).
    # I = .75 ln(.75/.65625) + .125 ln(.125/.21875) + .125 ln(.125/.03125)
    #   = .75 * .133531 + .125 * -.559616 + .125 * 1.386294 = .203483
    found = MutualInformation().compute(
        routing([[1.0, 0.0], [1.0, 0.0], [0.5, 0.5], [1.0, 0.0]], [0, 0, 1, 0])
    )
    assert found.item() == pytest.approx(-0.203483, abs=1e-6)


def test_one_task_tells_nothing_and_its_absent_companion_gives_no_nan() -> None:
    probs = torch.tensor([[0.9, 0.1], [0.4, 0.6]], requires_grad=True)
    value = MutualInformation().compute(
        Routing(weights=probs, probs=probs, logits=probs, num_tasks=3, task=torch.tensor([2, 2]))
    )
    value.backward()
    assert value.item() == pytest.approx(0.0, abs=1e-6)
    assert probs.grad is not None and probs.grad.isfinite().all()


def test_rectified_weights_of_nothing() -> None:
    probs = torch.zeros(2, 2, requires_grad=True)
    value = MutualInformation().compute(
        Routing(weights=probs, probs=probs, logits=probs, num_tasks=2, task=torch.tensor([0, 1]))
    )
    value.backward()
    assert value.item() == 0.0
    assert probs.grad is not None and probs.grad.isfinite().all()


def test_released_code_of_one_task() -> None:
    # 16 experts of 1/16 each, e = 1e-4, which the router has added, one unit.
    # Joint (1/16 + e) / (1 + e) = .06259374;
    # P(t) = 16 * .06259374 + e = 1.00159984; P(e) = .06259374 + e = .06269374.
    # Ratio .06259374 / 1.00159984 / .06269374 + e = .99691096;
    # -16 * .06259374 * ln .99691096 = 1.00149984 * .00309382 = .00309846.
    loss = MutualInformation(epsilon=1e-4)
    found = loss.compute(routing([[1 / 16 + 1e-4] * 16], [0], num_tasks=1))
    assert found.item() == pytest.approx(0.0030985, abs=2e-6)


def test_the_released_code_adds_epsilon_to_probabilities_once() -> None:
    # With e = .1, large enough to be seen: two tasks, each sure of its own expert, one unit each.
    # The router adds e: probabilities (1.1, .1) and (.1, 1.1). Divided by 2 units + e = 2.1:
    # joint (.5238095, .0476190). Marginals, both ways: .5714286 + e = .6714286.
    # .5238095 / .6714286^2 + e = 1.2619149, ln = .2326304; .0476190 / .6714286^2 + e = .2056286,
    # ln = -1.5816839. -2 (.5238095 * .2326304 - .0476190 * 1.5816839) = -.0930704.
    # Added a second time, the probabilities (1.2, .2) would give +.1754482.
    logits = torch.tensor([[60.0, 0.0], [0.0, 60.0]])
    weights, probs = TopK(k=1, epsilon=0.1)(logits, None)
    one = Routing(
        weights=weights, probs=probs, logits=logits, num_tasks=2, task=torch.tensor([0, 1])
    )
    assert MutualInformation(epsilon=0.1).compute(one).item() == pytest.approx(-0.0930704, abs=1e-6)


def test_released_code_is_close_to_the_paper() -> None:
    one = routing([[0.9, 0.1], [0.2, 0.8], [0.8, 0.2]], [0, 1, 0])
    paper, code = MutualInformation().compute(one), MutualInformation(epsilon=1e-4).compute(one)
    assert code.item() == pytest.approx(paper.item(), abs=2e-3)
    assert code.item() != paper.item()


@settings(deadline=None, derandomize=True)
@given(tasks=st.integers(1, 5), experts=st.integers(1, 6), seed=st.integers(0, 99))
def test_bounds(tasks: int, experts: int, seed: int) -> None:
    # With tasks of equal mass, 0 <= I <= min(ln T, ln E).
    generator = torch.Generator().manual_seed(seed)
    probs = (5 * torch.randn(tasks * 4, experts, generator=generator)).softmax(-1)
    task = torch.arange(tasks).repeat(4)
    one = Routing(weights=probs, probs=probs, logits=probs, num_tasks=tasks, task=task)
    information = -MutualInformation().compute(one).item()
    assert -1e-5 <= information <= math.log(min(tasks, experts)) + 1e-5


@pytest.mark.parametrize("num_tasks", [0, 2])
def test_needs_tasks(num_tasks: int) -> None:
    x = torch.ones(1, 2)
    with pytest.raises(ValueError, match="pass task_ids="):
        MutualInformation().compute(Routing(weights=x, probs=x, logits=x, num_tasks=num_tasks))


def test_epsilon_is_checked() -> None:
    with pytest.raises(ValueError, match=r"MutualInformation\(epsilon=-1\.0\): give 0"):
        MutualInformation(epsilon=-1.0)
