"""Experts in grouped products, against the form that runs them one after another."""

import pytest
import torch
from torch import Tensor, nn

from coterie.kernels.mlp import StackedLinear, apply_mlp
from coterie.kernels.mlp_grouped import apply_mlp_grouped, multiply_grouped, supports_grouped


def test_by_hand() -> None:
    # Two experts that multiply by 2 and by 3; rows 0 and 1 are the first one's, row 2 the second's.
    rows = torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0], [1, 1, 0, 0]])
    stack = torch.stack([2 * torch.eye(4), 3 * torch.eye(4)])
    ends = torch.tensor([2, 3], dtype=torch.int32)
    given = multiply_grouped(rows, stack, ends)
    assert given.tolist() == [[2, 0, 0, 0], [0, 2, 0, 0], [3, 3, 0, 0]]
    # Gradient of the weights for upstream ones: each expert's sum of its rows, in every output.
    gradient = multiply_grouped(torch.ones(3, 4).t(), rows, ends)
    assert gradient[:, 0].tolist() == [[1, 1, 0, 0], [1, 1, 0, 0]]


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("num_inputs", [1, 2])
@pytest.mark.parametrize("density", [0.0, 0.4, 1.0])
def test_equals_the_loop_over_experts(biased: bool, num_inputs: int, density: float) -> None:
    gates = torch.rand(24, 3) + 0.1
    gates = gates * (torch.rand(24, 3) < density)
    gates[:, 1] = 0  # an expert without tokens
    gates.requires_grad_()
    sizes = [*[(16, 8)] * num_inputs, (4, 16)]
    stacks = [
        StackedLinear(
            torch.randn(3, *size, requires_grad=True),
            torch.randn(3, size[0], requires_grad=True) if biased else None,
        )
        for size in sizes
    ]
    x, upstream = torch.randn(24, 8, requires_grad=True), torch.randn(24, 4)
    inputs = [x, gates, *(each for stack in stacks for each in stack if each is not None)]

    def answers(form) -> list[Tensor]:
        y = form(x, gates, stacks, nn.functional.silu)
        return [y, *torch.autograd.grad(y, inputs, upstream)]

    for given, wanted in zip(answers(apply_mlp_grouped), answers(apply_mlp), strict=True):
        torch.testing.assert_close(given, wanted, rtol=1e-4, atol=1e-4)


def test_only_for_gpus() -> None:
    assert not supports_grouped(torch.zeros(2, 8, dtype=torch.bfloat16), [torch.zeros(2, 8, 8)])
