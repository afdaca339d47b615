"""The gate of PathWeave by hand; tests/recipes/test_recipes.py trains the recipe."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from coterie import Bridge, TaskGate, recipes


def test_the_gate_at_the_start() -> None:
    # Uniform over m = 4: 1/4; the noise has deviation softplus(0) + 0.01 = .7031.
    (mixture, _) = recipes.pathweave().mixtures
    _, gate = mixture.build(nn.Linear(2, 2), 2, 1, has_gate=True)
    assert gate is not None and gate.weight.shape == (1, 2, 2) and not gate.weight.any()
    assert mixture.decide(torch.zeros(1, 4)).weights.tolist() == [[0.25] * 4]
    assert nn.functional.softplus(torch.zeros(1)).item() + 0.01 == pytest.approx(0.7031, abs=5e-5)
    # exp of (2, 1, 0, -1) is 7.3891, 2.7183, 1, .3679, and their sum 11.4753.
    weights = mixture.decide(torch.tensor([[2.0, 1.0, 0.0, -1.0]])).weights[0].tolist()
    assert weights == pytest.approx([0.6439, 0.2369, 0.0871, 0.0321], abs=5e-5)


def test_weights_that_the_task_alone_decides() -> None:
    (mixture, _) = recipes.pathweave(rank=4, alpha=8.0, per_token=False).mixtures
    assert mixture.gate == TaskGate(per_token=False)
    assert mixture.main == Bridge(ranks=(4,), alpha=8.0)


def test_a_sum_without_a_gate() -> None:
    summed = recipes.pathweave(rank=4, gated=False)
    assert [each.gate for each in summed.mixtures] == [None, None]
    gated = recipes.pathweave(rank=4)
    assert [replace(each, gate=None) for each in gated.mixtures] == list(summed.mixtures)
