"""Tokens sent to the processes of their experts, and back: rows, gradients, nobody's experts."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, distributed

from coterie.kernels.all_to_all import AllToAllDispatcher
from coterie.kernels.dispatch import LOCAL, Dispatcher
from tests.processes import in_two

pytestmark = pytest.mark.skipif(
    not distributed.is_available(), reason="torch is built without distributed"
)
# Rank 0 has experts 0 and 1, rank 1 has 2 and 3.
GATES = (
    # Token 0 of rank 0 chose experts 0 and 2, token 1 none, token 2 expert 2.
    torch.tensor([[0.5, 0, 0.25, 0], [0, 0, 0, 0], [0, 0, 2.0, 0]]),
    # Token 0 of rank 1 chose expert 2, token 1 experts 0 and 3; nobody chose expert 1.
    torch.tensor([[0, 0, 3.0, 0], [4.0, 0, 0, 5.0]]),
)
ROWS = (torch.tensor([[1.0, 2], [3, 4], [5, 6]]), torch.tensor([[7.0, 8], [9, 10]]))
GIVEN = (
    # First rank 0's tokens, then rank 1's.
    [[[1, 2], [9, 10]], []],
    [[[1, 2], [5, 6], [7, 8]], [[9, 10]]],
)
GIVEN_GATES = ([[0.5, 4], []], [[0.25, 2, 3], [5]])
# Each expert adds 100 times its number plus 1 to nothing: 100, 200, 300, 400.
COMBINED = ([[400], [0], [300]], [[300], [500]])


def test_rows_go_to_their_experts_and_back(tmp_path: Path) -> None:
    def work(rank: int) -> None:
        dispatcher = AllToAllDispatcher(distributed.group.WORLD)
        slots = dispatcher.assign(GATES[rank])
        assert slots.received == (((1, 0), (1, 0)), ((2, 0), (1, 1)))[rank]
        given = dispatcher.dispatch_gated(ROWS[rank], GATES[rank], slots)
        rows, gates = zip(*given, strict=True)
        assert [each.tolist() for each in rows] == GIVEN[rank]
        assert [each.tolist() for each in gates] == GIVEN_GATES[rank]
        # Twice a half for the first expert of a process; never for one without tokens.
        parts = [
            (i, torch.full((len(each), 1), 100.0 * (2 * rank + i + 1) / repeats))
            for i, each in reversed([*enumerate(rows)])
            if len(each)
            for repeats in [2 - i] * (2 - i)
        ]
        out = dispatcher.combine(parts, slots.of_tokens(), torch.zeros(len(ROWS[rank]), 1))
        assert out.tolist() == COMBINED[rank]
        back = dispatcher.combine(enumerate(gates), slots.of_gates(4), torch.zeros(4 * len(out)))
        assert torch.equal(back.view(-1, 4), GATES[rank])

    assert in_two(tmp_path / "two", work) == [(0, ""), (0, "")]


def run_experts(dispatcher: Dispatcher, x: Tensor, gates: Tensor, weights: Tensor) -> list[Tensor]:
    """The sum of squares of sum_e gate_e W_e x, and its gradients of x and of the weights."""
    x, weights = x.clone().requires_grad_(), weights.clone().requires_grad_()
    slots = dispatcher.assign(gates)
    given = zip(dispatcher.dispatch_gated(x, gates, slots), weights, strict=True)
    parts = [rows @ weight * gate[:, None] for (rows, gate), weight in given]
    y = dispatcher.combine(enumerate(parts), slots.of_tokens(), torch.zeros_like(x))
    y.square().sum().backward()
    assert x.grad is not None and weights.grad is not None
    return [y.detach(), x.grad, weights.grad]


@pytest.mark.parametrize("kind", ["balanced", "skewed", "nobody"])
def test_gradients_are_those_of_one_process(kind: str, tmp_path: Path) -> None:
    weights = torch.randn(4, 3, 3, dtype=torch.float64)
    x, gates = torch.randn(10, 3, dtype=torch.float64), torch.rand(10, 4, dtype=torch.float64)
    gates[:, 1:] *= kind == "balanced"  # skewed: all tokens to expert 0
    gates *= kind != "nobody"
    y, dx, dweights = run_experts(LOCAL, x, gates, weights)

    def work(rank: int) -> None:
        dispatcher = AllToAllDispatcher(distributed.group.WORLD)
        # The first has 7 tokens, the second 3.
        own, mine = slice(0, 7) if rank == 0 else slice(7, 10), slice(2 * rank, 2 * rank + 2)
        found = run_experts(dispatcher, x[own], gates[own], weights[mine])
        torch.testing.assert_close(found, [y[own], dx[own], dweights[mine]], rtol=0, atol=1e-12)

    assert in_two(tmp_path / "two", work) == [(0, ""), (0, "")]
