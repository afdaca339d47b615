"""Kernels of MLP experts over stacked weights: one autograd node, dense, and low-rank."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from transformers.activations import GELUActivation, GELUTanh, SiLUActivation

from coterie.kernels.dispatch import LOCAL, Dispatcher, TokenAssignments, assign_tokens

Activation = Callable[[Tensor], Tensor]

# (gradient of output, input) -> gradient of input; autograd computes it for other activations.
ACTIVATION_BACKWARDS: dict[type, Callable[[Tensor, Tensor], Tensor]] = {
    SiLUActivation: torch.ops.aten.silu_backward,
    GELUActivation: torch.ops.aten.gelu_backward,
    GELUTanh: partial(torch.ops.aten.gelu_backward, approximate="tanh"),
}


class StackedLinear(NamedTuple):
    """One linear map of every expert, each in the layout of `nn.Linear`."""

    weight: Float[Tensor, "segments out width"]
    bias: Float[Tensor, "segments out"] | None


class StackedLowRank(NamedTuple):
    """A frozen linear map and the low-rank factors that every expert adds to it."""

    linear: nn.Module
    down: Float[Tensor, "segments rank width"]
    up: Float[Tensor, "segments out rank"]


def apply_mlp(
    x: Float[Tensor, "tokens width"],
    gates: Float[Tensor, "tokens segments"],
    inputs: Sequence[StackedLinear],
    output: StackedLinear,
    activation: Activation,
    dispatcher: Dispatcher = LOCAL,
) -> Float[Tensor, "tokens out"]:
    """Compute sum_e gates_e * output_e(activation(inputs[0]_e(x)) [* inputs[1]_e(x)]).

    Chosen experts only, in one autograd node that saves x, the assignments and the inputs of the
    elementwise activation. The gate is applied before the output map: then its gradient is
    sum(dh * h) and no expert's output is saved (SonicMoE, arXiv 2512.14080).
    Weights may have another dtype than x; they are
    cast to x's one expert at a time. No second derivatives.
    """
    stacks = [tensor for stack in (*inputs, output) for tensor in stack]
    slots = assign_tokens(gates.detach())
    return _Mlp.apply(x, gates, slots, activation, dispatcher, *stacks)


class _Mlp(torch.autograd.Function):
    """The node of `apply_mlp`; `stacks` are weight and bias (or None) of each map, inputs first."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Float[Tensor, "tokens width"],
        gates: Float[Tensor, "tokens segments"],
        slots: TokenAssignments,
        activation: Activation,
        dispatcher: Dispatcher,
        *stacks: Tensor | None,
    ) -> Float[Tensor, "tokens out"]:
        *inputs, output = _pair_stacks(stacks)
        saved: list[Tensor] = []

        def run_experts() -> Iterator[tuple[int, Tensor]]:
            every = zip(*_dispatch_inputs(dispatcher, x, gates, slots), strict=True)
            for segment, (rows, gate) in enumerate(every):
                before = [_apply_linear(rows, stack, segment) for stack in inputs]
                hidden = _compute_hidden(before, activation) * gate[:, None]
                part = hidden @ output[0][segment].to(x.dtype).t()
                if output[1] is not None:
                    part.addr_(gate, output[1][segment].to(x.dtype))
                saved.extend(before)
                yield segment, part

        y = dispatcher.combine(
            run_experts(), slots.of_tokens(), x.new_zeros(len(x), output[0].shape[1])
        )
        ctx.save_for_backward(x, gates, slots.token, slots.expert, *stacks, *saved)
        ctx.counts, ctx.num_stacks = slots.tokens_per_expert, len(stacks)
        ctx.activation, ctx.dispatcher = activation, dispatcher
        return y

    @staticmethod
    @once_differentiable  # its type hides the arguments' names, which the next line's must match
    def backward(ctx: Any, dy: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, gates, token, expert, *rest = ctx.saved_tensors
        stacks, saved = rest[: ctx.num_stacks], iter(rest[ctx.num_stacks :])
        slots = TokenAssignments(token, expert, ctx.counts)
        needs = zip(stacks, ctx.needs_input_grad[5:], strict=True)
        dstacks = [torch.empty_like(stack) if needed else None for stack, needed in needs]
        *inputs, output = _pair_stacks(stacks)
        *dinputs, doutput = _pair_stacks(dstacks)
        dgates: list[tuple[int, Tensor]] = []

        def run_experts() -> Iterator[tuple[int, Tensor]]:
            given = _dispatch_inputs(ctx.dispatcher, x, gates, slots)
            every = zip(*given, ctx.dispatcher.dispatch(dy, slots.of_tokens()), strict=True)
            for segment, (rows, gate, dpart) in enumerate(every):
                before = [next(saved) for _ in inputs]
                dhidden = dpart @ output[0][segment].to(x.dtype)
                hidden, dbefore = _compute_activation_backward(
                    ctx.activation, before, dhidden * gate[:, None]
                )
                dgate = dhidden.mul_(hidden).sum(1)
                if output[1] is not None:
                    dgate += dpart @ output[1][segment].to(x.dtype)
                dgates.append((segment, dgate.to(gates.dtype)))
                _write_gradients(doutput, segment, dpart, hidden.mul_(gate[:, None]), gate)
                for (weight, _), stored, dz in zip(inputs, dinputs, dbefore, strict=True):
                    _write_gradients(stored, segment, dz, rows, None)
                    yield segment, dz @ weight[segment].to(x.dtype)

        dx = ctx.dispatcher.combine(run_experts(), slots.of_tokens(), torch.zeros_like(x))
        dgate = gates.new_zeros(gates.numel())
        dgate = ctx.dispatcher.combine(dgates, slots.of_gates(gates.shape[1]), dgate)
        return dx, dgate.view(gates.shape), None, None, None, *dstacks


def _dispatch_inputs(
    dispatcher: Dispatcher,
    x: Float[Tensor, "tokens width"],
    gates: Float[Tensor, "tokens segments"],
    slots: TokenAssignments,
) -> tuple[Iterable[Tensor], Iterable[Tensor]]:
    """Return each expert's rows of x, and their gates in the dtype of x."""
    flat = gates.reshape(-1).to(x.dtype)
    return (
        dispatcher.dispatch(x, slots.of_tokens()),
        dispatcher.dispatch(flat, slots.of_gates(gates.shape[1])),
    )


def _apply_linear(rows: Tensor, stack: tuple[Any, Any], segment: int) -> Tensor:
    weight, bias = stack
    result = rows @ weight[segment].to(rows.dtype).t()
    return result if bias is None else result.add_(bias[segment])


def _compute_hidden(before: Sequence[Tensor], activation: Activation) -> Tensor:
    return activation(before[0]) if len(before) == 1 else activation(before[0]) * before[1]


def _pair_stacks(stacks: Sequence[Any]) -> list[tuple[Any, Any]]:
    return [(stacks[i], stacks[i + 1]) for i in range(0, len(stacks), 2)]


def _compute_activation_backward(
    activation: Activation, before: list[Tensor], dhidden: Tensor
) -> tuple[Any, Any]:
    """Return the hidden values and the gradients of the activation's inputs."""
    dactivated = dhidden if len(before) == 1 else dhidden * before[1]
    slope = ACTIVATION_BACKWARDS.get(type(activation))
    with torch.set_grad_enabled(slope is None):
        z = before[0].detach().requires_grad_(slope is None)
        activated = activation(z)
    dz = slope(dactivated, z) if slope else torch.autograd.grad(activated, z, dactivated)[0]
    activated = activated.detach()
    if len(before) == 1:
        return activated, [dz]
    return activated * before[1], [dz, dhidden * activated]


def _write_gradients(
    stored: tuple[Any, Any], segment: int, gradient: Tensor, read: Tensor, gate: Tensor | None
) -> None:
    """Write one expert's weight and bias gradients into the stacked gradients."""
    weight, bias = stored
    if weight is not None and weight.dtype == read.dtype:
        torch.mm(gradient.t(), read, out=weight[segment])
    elif weight is not None:
        weight[segment] = gradient.t() @ read
    if bias is not None:
        bias[segment] = gradient.sum(0) if gate is None else gate @ gradient


def apply_mlp_dense(
    x: Float[Tensor, "tokens width"],
    gates: Float[Tensor, "tokens segments"],
    inputs: Sequence[StackedLinear],
    output: StackedLinear,
    activation: Activation,
) -> Float[Tensor, "tokens out"]:
    """Compute `apply_mlp` with all experts on all tokens: no shape depends on the gates."""
    gate = gates.to(x.dtype)
    before = []
    for weight, bias in inputs:
        z = torch.einsum("tw,shw->sth", x, weight.to(x.dtype))
        before.append(z if bias is None else z + bias.to(x.dtype)[:, None])
    hidden = _compute_hidden(before, activation) * gate.t()[..., None]
    y = torch.einsum("sth,soh->to", hidden, output.weight.to(x.dtype))
    return y if output.bias is None else y + gate @ output.bias.to(x.dtype)


def apply_low_rank_mlp(
    x: Float[Tensor, "tokens width"],
    gates: Float[Tensor, "tokens segments"],
    inputs: Sequence[StackedLowRank],
    output: StackedLowRank,
    activation: Activation,
) -> Float[Tensor, "tokens out"]:
    """Compute `apply_mlp` for experts that share frozen maps and differ by low-rank ones.

    Each frozen map runs once per token however many experts were chosen for it, the output map
    because sum_e g_e W h_e = W sum_e g_e h_e. Factors may have another dtype than x. There is no
    dispatcher: every process needs the frozen maps, which are nearly all of the work, so that
    moving tokens to the factors would cost more than it saves.
    """
    token, segment, counts = assign_tokens(gates.detach())
    gate = gates[token, segment].to(x.dtype)
    before = []
    for linear, down, up in inputs:
        low = torch.einsum("tw,srw->tsr", x, down.to(x.dtype))[token, segment]
        before.append(
            linear(x).index_select(0, token) + _apply_stacked(low, up.to(x.dtype), counts)
        )
    hidden = _compute_hidden(before, activation) * gate[:, None]
    mixed = hidden.new_zeros(len(x), hidden.shape[1]).index_add(0, token, hidden)
    low = _apply_stacked(hidden, output.down.to(x.dtype), counts)
    spread = low.new_zeros(*gates.shape, low.shape[1]).index_put((token, segment), low)
    return _apply_low_rank_output(mixed, spread, gates, output)


def apply_low_rank_mlp_dense(
    x: Float[Tensor, "tokens width"],
    gates: Float[Tensor, "tokens segments"],
    inputs: Sequence[StackedLowRank],
    output: StackedLowRank,
    activation: Activation,
) -> Float[Tensor, "tokens out"]:
    """Compute `apply_low_rank_mlp` with all experts on all tokens, so that it can be traced."""
    before = []
    for linear, down, up in inputs:
        low = torch.einsum("tw,srw->str", x, down.to(x.dtype))
        before.append(linear(x) + low @ up.to(x.dtype).transpose(1, 2))
    hidden = _compute_hidden(before, activation) * gates.t().to(x.dtype)[..., None]
    spread = torch.einsum("sth,srh->tsr", hidden, output.down.to(x.dtype))
    return _apply_low_rank_output(hidden.sum(0), spread, gates, output)


def _apply_stacked(rows: Tensor, stack: Tensor, counts: list[int]) -> Tensor:
    parts = zip(rows.split(counts), stack, strict=True)
    return torch.cat([part @ weight.t() for part, weight in parts])


def _apply_low_rank_output(
    mixed: Float[Tensor, "tokens hidden"],
    low: Float[Tensor, "tokens segments rank"],
    gates: Float[Tensor, "tokens segments"],
    output: StackedLowRank,
) -> Float[Tensor, "tokens out"]:
    linear, _, up = output
    y = linear(mixed) + torch.einsum("tsr,sor->to", low, up.to(low.dtype))
    if linear.bias is None:
        return y
    # The linear map added its bias once; the experts' is gated, and gates of 0 get no gradient.
    total = torch.where(gates != 0, gates, 0.0).sum(1, keepdim=True)
    return torch.addcmul(y, (total - 1).to(y.dtype), linear.get_parameter("bias"))
