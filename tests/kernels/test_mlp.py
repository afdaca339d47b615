import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from transformers.activations import ACT2FN

from coterie.kernels.mlp import (
    StackedLinear,
    StackedLowRank,
    apply_low_rank_mlp,
    apply_low_rank_mlp_dense,
    apply_mlp,
    apply_mlp_dense,
    assign_tokens,
)


def test_slots_are_sorted_by_expert() -> None:
    gates = torch.tensor([[0.5, 0.0, 0.1], [0.0, 0.0, 0.2], [0.3, 0.0, 0.0]])
    slots = assign_tokens(gates)
    assert slots.token.tolist() == [0, 2, 0, 1]
    assert slots.expert.tolist() == [0, 0, 2, 2]
    assert slots.tokens_per_expert == [2, 0, 2]


def test_gated_by_hand() -> None:
    stacks = [StackedLinear(torch.full((1, 1, 1), w), torch.tensor([[b]]))
              for w, b in [(2.0, -1.0), (1.0, 1.0), (3.0, 10.0)]]  # fmt: skip
    x, gates = torch.tensor([[2.0], [0.0]]), torch.tensor([[0.5], [1.0]])
    # relu(2*2 - 1) * (2 + 1) = 9; 0.5 * (3*9 + 10) = 18.5. relu(-1) = 0; 1 * 10 = 10
    for form in (apply_mlp, apply_mlp_dense):
        assert form(x, gates, stacks, torch.relu).tolist() == [[18.5], [10.0]]


def test_low_rank_by_hand() -> None:
    frozen = nn.Linear(1, 1)
    nn.init.constant_(frozen.weight, 2.0)
    nn.init.constant_(frozen.bias, 1.0)
    down, up = torch.tensor([[[1.0]], [[1.0]]]), torch.tensor([[[1.0]], [[-2.0]]])
    stack = StackedLowRank(frozen, down, up)
    x, gates = torch.tensor([[1.0]]), torch.tensor([[0.5, 1.0]])
    # expert 0: w = 3; h = relu(3 + 1) = 4; 0.5 * (3*4 + 1) = 6.5
    # expert 1: w = 0; h = relu(0 + 1) = 1; 1 * (0*1 + 1) = 1
    for form in (apply_low_rank_mlp, apply_low_rank_mlp_dense):
        assert form(x, gates, [stack, stack], torch.relu).tolist() == [[7.5]]


def plainly(x: Tensor, gates: Tensor, stacks: list[StackedLinear], activation: nn.Module) -> Tensor:
    """Every expert on its own tokens, in plain operations."""
    y = x.new_zeros(len(x), stacks[-1].weight.shape[1])
    for expert in range(gates.shape[1]):
        token = gates[:, expert].nonzero()[:, 0]
        hidden, *factors = (
            nn.functional.linear(x[token], weight[expert], None if bias is None else bias[expert])
            for weight, bias in stacks[:-1]
        )
        hidden = activation(hidden)
        for factor in factors:
            hidden = hidden * factor
        weight, bias = stacks[-1]
        part = nn.functional.linear(hidden, weight[expert], None if bias is None else bias[expert])
        y = y.index_add(0, token, part * gates[token, expert, None].to(x.dtype))
    return y


@settings(deadline=None, max_examples=25, derandomize=True)
@given(
    tokens=st.integers(1, 40),
    experts=st.integers(1, 6),
    density=st.sampled_from([0.0, 0.3, 1.0]),
    num_inputs=st.integers(1, 2),
    biased=st.booleans(),
    name=st.sampled_from(["silu", "gelu", "gelu_pytorch_tanh", "quick_gelu", "relu", "gelu_new"]),
    dtype=st.sampled_from([torch.float32, torch.bfloat16, torch.float64]),
)
def test_forms_agree(
    tokens: int,
    experts: int,
    density: float,
    num_inputs: int,
    biased: bool,
    name: str,
    dtype: torch.dtype,
) -> None:
    torch.manual_seed(tokens)
    precise = torch.promote_types(dtype, torch.float32)
    gates = torch.rand(tokens, experts, dtype=precise) + 0.1
    gates = (gates * (torch.rand(tokens, experts) < density)).requires_grad_()
    sizes = [*[(4, 7)] * num_inputs, (7, 5)]
    stacks = [
        StackedLinear(
            torch.randn(experts, out, width, dtype=dtype, requires_grad=True),
            torch.randn(experts, out, dtype=dtype, requires_grad=True) if biased else None,
        )
        for width, out in sizes
    ]
    x = torch.randn(tokens, 4, dtype=dtype, requires_grad=True)
    inputs = [x, gates, *(tensor for stack in stacks for tensor in stack if tensor is not None)]
    activation, weights = ACT2FN[name], torch.randn(tokens, 5, dtype=dtype)

    def answers(y: Tensor) -> list[Tensor]:
        return [y, *torch.autograd.grad((y * weights).sum(), inputs)]

    wanted = answers(plainly(x, gates, stacks, activation))
    masked = torch.where(gates != 0, gates, 0.0)
    tolerance = {torch.float32: 1e-5, torch.bfloat16: 4e-2, torch.float64: 1e-12}[dtype]
    for form, gate in ((apply_mlp, gates), (apply_mlp_dense, masked)):
        given = answers(form(x, gate, stacks, activation))
        for one, other in zip(given, wanted, strict=True):
            error = (one - other).double().norm()
            assert error <= tolerance * (other.double().norm() + 1e-3)


def test_keeps_only_what_it_needs() -> None:
    stacks = [StackedLinear(torch.randn(2, 8, 8, requires_grad=True), None) for _ in range(3)]
    x, gates = torch.randn(16, 8, requires_grad=True), torch.rand(16, 2)
    kept: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        apply_mlp(x, gates, stacks, nn.functional.silu)
    # x 16*8, gates 16*2, of 32 slots: token, expert, twice 8 values; three stacks 2*8*8
    assert sum(t.numel() for t in kept) == 128 + 32 + 32 * (1 + 1 + 2 * 8) + 3 * 128


def test_frozen_experts_get_no_gradient() -> None:
    stack = StackedLinear(torch.randn(2, 3, 3), torch.randn(2, 3))
    gates = torch.rand(4, 2, requires_grad=True)
    apply_mlp(torch.randn(4, 3), gates, [stack, stack], torch.relu).sum().backward()
    assert gates.grad is not None and gates.grad.shape == (4, 2)
    assert stack.weight.grad is None


def test_no_second_derivative() -> None:
    stack = StackedLinear(torch.randn(1, 2, 2, requires_grad=True), None)
    y = apply_mlp(torch.randn(3, 2), torch.rand(3, 1), [stack, stack], torch.tanh)
    (gradient,) = torch.autograd.grad(y.sum(), [stack.weight], create_graph=True)
    with pytest.raises(RuntimeError, match=r"does not require grad|once_differentiable"):
        gradient.sum().backward()
