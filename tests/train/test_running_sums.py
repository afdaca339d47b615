"""How much tasks say about experts, as a line tells it."""

import math
from types import SimpleNamespace

import pytest
import torch
from transformers import TrainingArguments

from coterie.losses.mutual_information import MutualInformation
from coterie.losses.sparsity import Sparsity
from coterie.mixture import Mixture
from coterie.routing.decision import Routing, Tape
from coterie.routing.usage import ExpertUsage
from coterie.train.running_sums import (
    RunningSums,
    compute_layer_information,
    round_statistics,
)
from coterie.train.stage_context import StageContext


def routing(probs: list[list[float]], task: list[int] | None, **more: object) -> Routing:
    given = torch.tensor(probs)
    told = None if task is None else torch.tensor(task)
    return Routing(weights=given, probs=given, logits=given, num_tasks=2, task=told, **more)


def add_up(*tapes: Tape) -> ExpertUsage:
    usage = ExpertUsage(("a", "b"), dtype=torch.float32, device=None)
    for tape in tapes:
        usage.add(tape)
    return usage


def test_it_is_minus_the_loss_of_the_same_units() -> None:
    apart = routing([[1.0, 0.0], [0.0, 1.0]], [0, 1])
    mixed = routing([[0.9, 0.1], [0.4, 0.6], [9.0, 9.0]], [0, 1, 1],
                    valid=torch.tensor([True, True, False]))  # fmt: skip
    found = compute_layer_information(add_up(Tape(apart=apart, mixed=mixed)))
    # Each task has an expert of its own: log 2.
    assert found["apart"] == pytest.approx(math.log(2), abs=1e-6)
    assert found["mixed"] == pytest.approx(-MutualInformation().compute(mixed).item(), abs=1e-6)
    # P = .45 .05 / .2 .3, halves a task, .65 and .35 an expert:
    # .45 log(.45/.325) + .05 log(.05/.175) + .2 log(.2/.325) + .3 log(.3/.175) = .148399
    assert found["mixed"] == pytest.approx(0.148399, abs=2e-6)


def test_parts_of_a_step_are_one_batch() -> None:
    one = Tape(layer=routing([[1.0, 0.0]], [0]))
    other = Tape(layer=routing([[0.0, 1.0]], [1]))
    # One task alone has no information.
    assert compute_layer_information(add_up(one)) == compute_layer_information(add_up()) == {}
    both = compute_layer_information(add_up(one, other))
    assert both["layer"] == pytest.approx(math.log(2), abs=1e-6)


def test_layers_without_tasks_or_with_one_expert_have_no_information() -> None:
    single = routing([[1.0], [1.0]], [0, 1])
    tape = Tape(without_tasks=routing([[0.5, 0.5]], None), single=single)
    assert compute_layer_information(add_up(tape)) == {}


def test_usage_is_logged_to_six_places() -> None:
    thirds = add_up(Tape(layer=routing([[1 / 3, 2 / 3]], [1])))
    assert round_statistics(thirds.compute_means(["mean_weight"])) == {
        "layer": {"mean_weight": {"b": [0.333333, 0.666667]}}
    }


def test_factors_of_routing_losses_are_kept_from_step_to_step_and_in_checkpoints(tmp_path) -> None:
    losses = (Sparsity(weight=0.5, target=0.75),)
    recipe = SimpleNamespace(losses=losses, mixtures=(Mixture(),))
    config = SimpleNamespace(task_names=("a", "b"), recipe=recipe)
    context = object.__new__(StageContext)
    object.__setattr__(context, "config", config)
    object.__setattr__(context, "stage", SimpleNamespace(routed=True, mixtures=None))
    args = TrainingArguments(output_dir=str(tmp_path), use_cpu=True)
    sums = RunningSums(context, args)
    tape = Tape(layer=routing([[0.0, 1.0], [1.0, 1.0]], [0, 1]))
    # norms 1 and 2, mean 1.5, times 0.5; a quarter of the gates is 0, fewer than three quarters
    assert sums.weigh_routing_losses(tape, share=1.0) == [0.75]
    sums.clear()
    assert sums.weigh_routing_losses(tape, share=1.0)[0].item() == pytest.approx(0.75 * 1.2)
    again = RunningSums(context, args)
    again.restore(sums.get_tensors())
    assert again.factors.tolist() == pytest.approx([1.44])
