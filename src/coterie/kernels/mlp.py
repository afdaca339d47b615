"""Kernels of MLP experts over stacked weights: one autograd node, dense, and low-rank."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from transformers.activations import GELUActivation, GELUTanh, SiLUActivation

from coterie.kernels.dispatch import LOCAL, Dispatcher, TokenAssignments, TokenGates, assign_tokens

Tokens = Float[Tensor, "tokens width"]
Outputs = Float[Tensor, "tokens out"]
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
    x: Tokens,
    gates: TokenGates,
    maps: Sequence[StackedLinear],
    activation: Activation,
    dispatcher: Dispatcher = LOCAL,
) -> Outputs:
    """Compute sum_e gates_e * output_e(activation(inputs[0]_e(x)) [* inputs[1]_e(x)]).

    Chosen experts only, in one autograd node that saves x and the inputs of the activation. The
    gate is applied before the output map: then its gradient is sum(dh * h) and no expert's output
    is saved (SonicMoE, arXiv 2512.14080). Weights of another dtype are cast to that of x one expert
    at a time. No second derivatives. `maps` are one or two input maps, the activated one first, and
    the output map.
    """
    return _Mlp.apply(x, gates, activation, dispatcher, *(part for each in maps for part in each))


class _Mlp(torch.autograd.Function):
    """The node of `apply_mlp`; `stacks` are weight and bias (or None) of each map, inputs first."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tokens,
        gates: TokenGates,
        activation: Activation,
        dispatcher: Dispatcher,
        *stacks: Tensor | None,
    ) -> Outputs:
        slots = dispatcher.assign(gates)
        weights = cast("tuple[Tensor, ...]", stacks[::2])
        *inputs, output = map(StackedLinear, weights, stacks[1::2])
        saved: list[Tensor] = []

        def run_experts() -> Iterator[tuple[int, Tensor]]:
            for segment, (rows, gate) in enumerate(dispatcher.dispatch_gated(x, gates, slots)):
                before = [_apply_linear(rows, stack, segment) for stack in inputs]
                hidden = compute_hidden(before, activation) * gate[:, None]
                part = hidden @ output.weight[segment].to(x.dtype).t()
                if output.bias is not None:
                    part.addr_(gate, output.bias[segment].to(x.dtype))
                saved.extend(before)
                yield segment, part

        y = x.new_zeros(len(x), output.weight.shape[1])
        y = dispatcher.combine(run_experts(), slots.of_tokens(), y)
        ctx.save_for_backward(x, gates, slots.token, slots.expert, *stacks, *saved)
        ctx.counts, ctx.received = slots.tokens_per_expert, slots.received
        ctx.num_stacks = len(stacks)
        ctx.activation, ctx.dispatcher = activation, dispatcher
        return y

    @staticmethod
    @once_differentiable  # its type hides the arguments' names, which the next line's must match
    def backward(ctx: Any, dy: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, gates, token, expert, *rest = ctx.saved_tensors
        stacks, saved = rest[: ctx.num_stacks], iter(rest[ctx.num_stacks :])
        slots = TokenAssignments(token, expert, ctx.counts, ctx.received)
        needs = zip(stacks, ctx.needs_input_grad[4:], strict=True)
        dstacks: list[Any] = [torch.empty_like(each) if needed else None for each, needed in needs]
        *inputs, output = map(StackedLinear, stacks[::2], stacks[1::2])
        *dinputs, doutput = map(StackedLinear, dstacks[::2], dstacks[1::2])
        dgates: list[tuple[int, Tensor]] = []

        def run_experts() -> Iterator[tuple[int, Tensor]]:
            given = ctx.dispatcher.dispatch_gated(x, gates, slots)
            dparts = ctx.dispatcher.dispatch(dy, slots.of_tokens())
            for segment, ((rows, gate), dpart) in enumerate(zip(given, dparts, strict=True)):
                before = [next(saved) for _ in inputs]
                dhidden = dpart @ output.weight[segment].to(x.dtype)
                hidden, dbefore = backpropagate_hidden(
                    ctx.activation, before, dhidden * gate[:, None]
                )
                dgate = dhidden.mul_(hidden).sum(1)
                if output.bias is not None:
                    dgate += dpart @ output.bias[segment].to(x.dtype)
                dgates.append((segment, dgate.to(gates.dtype)))
                _write_gradients(doutput, segment, dpart, hidden.mul_(gate[:, None]), gate)
                for (weight, _), stored, dz in zip(inputs, dinputs, dbefore, strict=True):
                    _write_gradients(stored, segment, dz, rows, None)
                    yield segment, dz @ weight[segment].to(x.dtype)

        dx = ctx.dispatcher.combine(run_experts(), slots.of_tokens(), torch.zeros_like(x))
        numbers, dgate = slots.of_gates(gates.shape[1]), gates.new_zeros(gates.numel())
        dgate = ctx.dispatcher.combine(dgates, numbers, dgate).view(gates.shape)
        return dx, dgate, None, None, *dstacks


def _apply_linear(rows: Tensor, stack: StackedLinear, segment: int) -> Tensor:
    result = rows @ stack.weight[segment].to(rows.dtype).t()
    return result if stack.bias is None else result.add_(stack.bias[segment])


def compute_hidden(before: Sequence[Tensor], activation: Activation) -> Tensor:
    """Compute the output map's input from those of the activation, the activated one first."""
    return activation(before[0]) if len(before) == 1 else activation(before[0]) * before[1]


def backpropagate_hidden(
    activation: Activation, before: list[Tensor], dhidden: Tensor
) -> tuple[Any, Any]:
    """Return the hidden values and the gradients of the activation's inputs."""
    dactivated = dhidden if len(before) == 1 else dhidden * before[1]
    slope = ACTIVATION_BACKWARDS.get(type(activation))
    with torch.set_grad_enabled(slope is None):
        z = before[0].detach().requires_grad_(slope is None)
        activated = activation(z)
    dz = slope(dactivated, z) if slope else torch.autograd.grad(activated, z, dactivated)[0]
    hidden = activated.detach()
    return (hidden, [dz]) if len(before) == 1 else (hidden * before[1], [dz, dhidden * hidden])


def _write_gradients(
    stored: StackedLinear, segment: int, gradient: Tensor, read: Tensor, gate: Tensor | None
) -> None:
    """Write one expert's weight and bias gradients into the stacked gradients, where needed."""
    if stored.weight is not None:
        write_product(gradient.t(), read, stored.weight[segment])
    if stored.bias is not None:
        stored.bias[segment] = gradient.sum(0) if gate is None else gate @ gradient


def write_product(left: Tensor, right: Tensor, into: Tensor) -> None:
    """Write `left @ right` to `into`, without a copy if the dtypes are equal."""
    if left.dtype == into.dtype:
        torch.mm(left, right, out=into)
    else:
        into.copy_(left @ right)


def apply_mlp_dense(
    x: Tokens, gates: TokenGates, maps: Sequence[StackedLinear], activation: Activation
) -> Outputs:
    """Compute `apply_mlp` with all experts on all tokens: no shape depends on the gates."""
    *inputs, output = maps
    gate = gates.to(x.dtype)
    before = []
    for weight, bias in inputs:
        z = torch.einsum("tw,shw->sth", x, weight.to(x.dtype))
        before.append(z if bias is None else z + bias.to(x.dtype)[:, None])
    hidden = compute_hidden(before, activation) * gate.t()[..., None]
    y = torch.einsum("sth,soh->to", hidden, output.weight.to(x.dtype))
    return y if output.bias is None else y + gate @ output.bias.to(x.dtype)


def apply_low_rank_mlp(
    x: Tokens, gates: TokenGates, maps: Sequence[StackedLowRank], activation: Activation
) -> Outputs:
    """Compute `apply_mlp` for experts that share frozen maps and differ by low-rank ones.

    Each frozen map runs once per token however many experts were chosen for it, the output map
    because sum_e g_e W h_e = W sum_e g_e h_e. Factors may have another dtype than x. Without a
    dispatcher: the frozen maps, nearly all of the work, are needed in every process.
    """
    *inputs, output = maps
    token, segment, counts, _ = assign_tokens(gates.detach())
    gate = gates[token, segment].to(x.dtype)
    before = []
    for linear, down, up in inputs:
        low = torch.einsum("tw,srw->tsr", x, down.to(x.dtype))[token, segment]
        change = _apply_stacked(low, up.to(x.dtype), counts)
        before.append(linear(x).index_select(0, token) + change)
    hidden = compute_hidden(before, activation) * gate[:, None]
    mixed = hidden.new_zeros(len(x), hidden.shape[1]).index_add(0, token, hidden)
    low = _apply_stacked(hidden, output.down.to(x.dtype), counts)
    spread = low.new_zeros(*gates.shape, low.shape[1]).index_put((token, segment), low)
    return _apply_low_rank_output(mixed, spread, gates, output)


def apply_low_rank_mlp_dense(
    x: Tokens, gates: TokenGates, maps: Sequence[StackedLowRank], activation: Activation
) -> Outputs:
    """Compute `apply_low_rank_mlp` with all experts on all tokens, so that it can be traced."""
    *inputs, output = maps
    before = []
    for linear, down, up in inputs:
        low = torch.einsum("tw,srw->str", x, down.to(x.dtype))
        before.append(linear(x) + low @ up.to(x.dtype).transpose(1, 2))
    hidden = compute_hidden(before, activation) * gates.t().to(x.dtype)[..., None]
    spread = torch.einsum("sth,srh->tsr", hidden, output.down.to(x.dtype))
    return _apply_low_rank_output(hidden.sum(0), spread, gates, output)


def _apply_stacked(rows: Tensor, stack: Tensor, counts: list[int]) -> Tensor:
    parts = zip(rows.split(counts), stack, strict=True)
    return torch.cat([part @ weight.t() for part, weight in parts])


def _apply_low_rank_output(
    mixed: Tensor, low: Tensor, gates: TokenGates, output: StackedLowRank
) -> Outputs:
    """Map [tokens, hidden] and [tokens, segments, rank] to the output, with the gated bias."""
    linear, _, up = output
    y = linear(mixed) + torch.einsum("tsr,sor->to", low, up.to(low.dtype))
    if linear.bias is None:
        return y
    # The linear map added its bias once; the experts' is gated, and gates of 0 get no gradient.
    total = torch.where(gates != 0, gates, 0.0).sum(1, keepdim=True)
    return torch.addcmul(y, (total - 1).to(y.dtype), linear.get_parameter("bias"))
