"""How much tasks say about experts, as a line tells it."""

import math

import pytest
import torch

from coterie.losses.mutual_information import MutualInformation
from coterie.routing.decision import Routing, Tape
from coterie.train.expert_metrics import compute_layer_mutual_information, compute_task_expert_mass


def routing(probs: list[list[float]], task: list[int] | None, **more: object) -> Routing:
    given = torch.tensor(probs)
    told = None if task is None else torch.tensor(task)
    return Routing(weights=given, probs=given, logits=given, num_tasks=2, task=told, **more)


def test_it_is_minus_the_loss_of_the_same_units() -> None:
    apart = routing([[1.0, 0.0], [0.0, 1.0]], [0, 1])
    mixed = routing([[0.9, 0.1], [0.4, 0.6], [9.0, 9.0]], [0, 1, 1],
                    valid=torch.tensor([True, True, False]))  # fmt: skip
    found = compute_layer_mutual_information(
        compute_task_expert_mass(Tape(apart=apart, mixed=mixed))
    )
    # Each task has an expert of its own: log 2.
    assert found["apart"] == pytest.approx(math.log(2), abs=1e-6)
    assert found["mixed"] == pytest.approx(-MutualInformation().compute(mixed).item(), abs=1e-6)
    # P = .45 .05 / .2 .3, halves a task, .65 and .35 an expert:
    # .45 log(.45/.325) + .05 log(.05/.175) + .2 log(.2/.325) + .3 log(.3/.175) = .148399
    assert found["mixed"] == pytest.approx(0.148399, abs=2e-6)


def test_parts_of_a_step_are_one_batch() -> None:
    one = compute_task_expert_mass(Tape(layer=routing([[1.0, 0.0]], [0])))
    other = compute_task_expert_mass(Tape(layer=routing([[0.0, 1.0]], [1])))
    # Of one task alone there is nothing to tell.
    assert compute_layer_mutual_information(one) == compute_layer_mutual_information({}) == {}
    both = {"layer": one["layer"] + other["layer"]}
    assert compute_layer_mutual_information(both)["layer"] == pytest.approx(math.log(2), abs=1e-6)


def test_what_knows_no_task_tells_nothing() -> None:
    single = routing([[1.0], [1.0]], [0, 1])
    assert compute_task_expert_mass(Tape(untold=routing([[0.5, 0.5]], None), single=single)) == {}
