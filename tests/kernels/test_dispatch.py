"""Which tokens go to which expert; what every dispatcher does is in tests/contracts."""

import torch

from coterie.kernels.dispatch import LOCAL, assign_tokens


def test_gates_other_than_0_are_assigned_by_expert_and_then_by_token() -> None:
    gates = torch.tensor([[0.5, 0.0, -1.0], [0.0, 0.0, 0.0], [0.1, 0.0, 2.0]])
    slots = assign_tokens(gates)
    assert slots.token.tolist() == [0, 2, 0, 2]
    assert slots.expert.tolist() == [0, 0, 2, 2]
    assert slots.tokens_per_expert == [2, 0, 2]
    assert slots.of_tokens().row is slots.token and not slots.of_tokens().is_unique
    # Of three experts: 3 * token + expert.
    assert slots.of_gates(3).row.tolist() == [0, 6, 2, 8] and slots.of_gates(3).is_unique


def test_local_dispatch_and_combine_are_adjoint() -> None:
    # <combine(p), y> = <p, dispatch(y)> for any parts p and rows y.
    slots = assign_tokens((torch.rand(6, 4) > 0.5).double()).of_tokens()
    y = torch.randn(6, 3, dtype=torch.float64)
    given = list(LOCAL.dispatch(y, slots))
    parts = [torch.randn_like(part) for part in given]
    combined = LOCAL.combine(enumerate(parts), slots, torch.zeros_like(y))
    right = sum((part * rows).sum() for part, rows in zip(parts, given, strict=True))
    torch.testing.assert_close((combined * y).sum(), right)
