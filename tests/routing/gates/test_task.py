"""A gate a task, and the noise whose width it may learn."""

import math

import pytest
import torch

from coterie import TaskGate
from coterie.routing.context import RoutingContext
from coterie.routing.decision import DeferredRouting
from coterie.routing.gates.base import GateLayer, LayerSite

PLACE = LayerSite(name="layer", tower="vision", tie_group="layer")
NOISY = TaskGate(noisy=True)
# softplus of it is ln(1 + e - 1) = 1; of 0 it is ln 2.
ONE = math.log(math.e - 1)


def layer(gate: TaskGate = NOISY) -> GateLayer:
    """Two tasks, two experts, one feature: rows of logits 1 and 2, rows of widths 0 and ONE."""
    made = gate.build(1, 2, 2)
    first = torch.tensor([[1.0], [2.0], [0.0], [ONE]])
    made.weight.data = torch.stack([first, -first])
    return made


def state(*tasks: int, single: int | None = None) -> RoutingContext:
    ids = torch.tensor(tasks)
    return RoutingContext(
        batch_size=len(tasks), device=ids.device, task_ids=ids, single_task=single
    )


def logits(made: GateLayer, x: torch.Tensor, told: RoutingContext) -> torch.Tensor:
    answer = made(x, told, PLACE)
    return DeferredRouting(
        make_decision=lambda said: said, logits=answer.logits, gate_weight=answer.gate_weight
    ).resolve(x)


def test_the_width_is_learned(monkeypatch) -> None:
    monkeypatch.setattr(torch, "randn_like", lambda clean: torch.full_like(clean, 2.0))
    made = layer()
    found = logits(made, torch.ones(1, 1, 1), state(0))
    # 1 + (ln 2 + 0.01) 2 = 1 + 0.703147 * 2, and 2 + (1 + 0.01) 2.
    torch.testing.assert_close(found, torch.tensor([[[2.406294, 4.02]]]))
    found.sum().backward()
    # Of W, x = 1. Of V, 2 sigmoid(V x): 2 / 2, and 2 (e - 1) / e. The other task's: nothing.
    mine = torch.tensor([[1.0], [1.0], [1.0], [2 * (math.e - 1) / math.e]])
    torch.testing.assert_close(made.weight.grad, torch.stack([mine, torch.zeros(4, 1)]))


def test_all_ways_to_the_logits_add_the_same(monkeypatch) -> None:
    monkeypatch.setattr(torch, "randn_like", torch.ones_like)
    made, x = layer(), torch.tensor([[[0.5], [1.0]], [[2.0], [-1.0]]])
    for kind in (made, made.eval(), layer(TaskGate(noisy=True, noise_in_evaluation=True)).eval()):
        each = logits(kind, x, state(0, 1))
        assert each.shape == (2, 2, 2)
        for row, task in enumerate((0, 1)):
            alone = logits(kind, x[row : row + 1], state(task, single=task))
            torch.testing.assert_close(alone, each[row : row + 1])
        packed = logits(kind, x[:, 0], state(0, 1))
        torch.testing.assert_close(packed, each[:, 0])


def test_noise_is_in_training_alone_unless_asked() -> None:
    x, told = torch.ones(1, 3, 1), state(1)
    made = layer()
    assert not torch.equal(logits(made, x, told), logits(made, x, told))
    torch.manual_seed(5)
    first = logits(made, x, told)
    torch.manual_seed(5)
    assert torch.equal(logits(made, x, told), first)  # what a resumed run depends on
    # The second task's rows are -1 and -2.
    assert logits(made.eval(), x, told).tolist() == [[[-1.0, -2.0]] * 3]
    always = layer(TaskGate(noisy=True, noise_in_evaluation=True)).eval()
    assert not torch.equal(logits(always, x, told), logits(always, x, told))


def test_it_begins_uniform_and_in_float32() -> None:
    made = TaskGate(noisy=True).build(4, 3, 2)
    assert made.weight.shape == (2, 6, 4) and not made.weight.any()
    assert logits(made, torch.ones(1, 2, 4).bfloat16(), state(0)).dtype == torch.float32


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"noisy": True, "per_token": False}, "the noise's width is a token's; give per_token=Tru"),
        ({"noise_in_evaluation": True}, "there is no noise; give noisy=True"),
        ({"init": "zeros"}, "allowed are 'normal' and 'uniform'"),
    ],
)
def test_choices_that_cannot_be(unchecked, choices: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TaskGate(**choices)


@pytest.mark.parametrize("noisy", [False, True])
def test_a_uniform_start_has_the_same_deviation(noisy: bool) -> None:
    # Uniform on -b to b has the deviation b / sqrt 3: b = .2 * sqrt 3 = .3464 for .2.
    weight = next(TaskGate(init="uniform", init_std=0.2, noisy=noisy).build(200, 8, 2).parameters())
    assert weight.shape == (2, 16 if noisy else 8, 200)
    assert weight.std().item() == pytest.approx(0.2, rel=0.03)
    assert 0.34 < weight.abs().max().item() <= 0.3465
