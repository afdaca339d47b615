"""P(task, expert) and what it tells, by hand, and held to the loss."""

import math

import pytest
import torch

from coterie import MutualInformation
from coterie.routing.decision import Routing
from coterie.routing.mutual_information import (
    compute_frequencies,
    compute_mutual_information,
    compute_mutual_information_by_layer,
)


def usage(**shares: tuple[float, ...]) -> dict:
    """Task -> share of units that chose each expert, with even probabilities."""
    even = {task: [1 / len(row)] * len(row) for task, row in shares.items()}
    return {"layer": {"chosen": {task: list(row) for task, row in shares.items()},
                      "probability": even}}  # fmt: skip


def test_tasks_with_experts_of_their_own_tell_all() -> None:
    # P(t,e) = 1/2 on the diagonal: I = 2 * 1/2 * log(1/2 / (1/2 * 1/2)) = log 2.
    assert compute_mutual_information_by_layer(usage(a=(1.0, 0.0), b=(0.0, 1.0))) == {
        "layer": pytest.approx(math.log(2))
    }


def test_even_probabilities_tell_nothing_whatever_is_chosen() -> None:
    apart = usage(a=(1.0, 0.0), b=(0.0, 1.0))
    assert compute_mutual_information_by_layer(apart, "probability") == {
        "layer": pytest.approx(0.0, abs=1e-12)
    }


def test_tasks_that_choose_alike_tell_nothing() -> None:
    assert compute_mutual_information_by_layer(usage(a=(0.5, 1.0, 0.5), b=(0.5, 1.0, 0.5))) == {
        "layer": pytest.approx(0.0, abs=1e-12)
    }


def test_partly_shared() -> None:
    # P = [[1/2, 0], [1/4, 1/4]]; P(t) = 1/2, 1/2; P(e) = 3/4, 1/4.
    # I = 1/2 log(1/2 / 3/8) + 1/4 log(1/4 / 3/8) + 1/4 log(1/4 / 1/8)
    #   = 1/2 log 4/3 + 1/4 log 2/3 + 1/4 log 2 = .1438 - .1014 + .1733 = .2158
    partly = usage(a=(1.0, 0.0), b=(0.5, 0.5))
    assert compute_frequencies(partly)["layer"].tolist() == [[1.0, 0.0], [0.5, 0.5]]
    found = compute_mutual_information_by_layer(partly)
    assert found == {"layer": pytest.approx(0.2158, abs=5e-5)}


def test_it_is_minus_the_loss() -> None:
    probs = torch.rand(12, 5, generator=torch.Generator().manual_seed(0))
    task = torch.tensor([0, 1, 2] * 4)
    routing = Routing(weights=probs, probs=probs, logits=probs, num_tasks=3, task=task)
    mass = torch.stack([probs[task == number].sum(0) for number in range(3)])
    loss = MutualInformation(epsilon=0.0).compute(routing).item()
    assert compute_mutual_information(mass.double()).item() == pytest.approx(-loss, abs=1e-6)
    assert compute_mutual_information(torch.zeros(2, 3)).item() == 0


def test_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="no task gives any expert anything"):
        compute_mutual_information_by_layer(usage(a=(0.0, 0.0), b=(0.0, 0.0)))
    with pytest.raises(ValueError, match="task 'b' has no usage of other"):
        compute_frequencies(usage(a=(1.0,), b=(1.0,)) | {"other": usage(a=(1.0,))["layer"]})
