"""Uncertainty against values worked out by hand."""

import math

import pytest
import torch
from torch import nn

from coterie.balancing.uncertainty import Uncertainty

LOSSES = torch.tensor([1.0, 2.0, float("nan")])
PRESENT = torch.tensor([True, True, False])


def built(positive: bool, sigma: list[float]) -> nn.Module:
    module = Uncertainty(positive=positive).build(len(sigma))
    (parameter,) = module.parameters()
    nn.init.constant_(parameter, 0.0)
    parameter.data += torch.tensor(sigma)
    return module


def test_sigma_starts_at_one() -> None:
    # .5 * (1 + 2) + 2 log(1 + 1) = 1.5 + 2 ln 2; with r = log sigma only 1.5.
    value = Uncertainty().build(3)(LOSSES, PRESENT)
    assert value.item() == pytest.approx(1.5 + 2 * math.log(2))
    assert Uncertainty(positive=False).build(3)(LOSSES, PRESENT).item() == pytest.approx(1.5)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_other_sigmas(sign: float) -> None:
    # sigma (2, 1): .5/4 * 1 + .5 * 2 = 1.125; r: ln 5 + ln 2, or ln 2 + 0. The sign is lost.
    sigma = [2.0 * sign, 1.0, 1.0]
    value = built(True, sigma)(LOSSES, PRESENT)
    assert value.item() == pytest.approx(1.125 + math.log(5) + math.log(2))
    value = built(False, sigma)(LOSSES, PRESENT)
    assert value.item() == pytest.approx(1.125 + math.log(2))


@pytest.mark.parametrize("positive", [True, False])
def test_absent_tasks_have_a_gradient_of_zero(positive: bool) -> None:
    # At sigma 1: d/dsigma = -L / sigma^3 + r', r' = 2 sigma / (1 + sigma^2) = 1 or 1 / sigma = 1.
    module = Uncertainty(positive=positive).build(3)
    module(LOSSES, PRESENT).backward()
    (sigma,) = module.parameters()
    assert sigma.grad is not None and sigma.grad.tolist() == [0.0, -1.0, 0.0]
    assert sigma.dtype == torch.float32
