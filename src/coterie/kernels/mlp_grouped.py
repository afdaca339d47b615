"""Kernel of MLP experts for GPUs: all experts of a map in one grouped matrix product."""

from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from coterie.kernels.dispatch import TokenGates
from coterie.kernels.mlp import (
    Activation,
    Outputs,
    StackedLinear,
    Tokens,
    backpropagate_hidden,
    compute_hidden,
)

Slots = Float[Tensor, "slots width"]


def supports_grouped(x: Tensor, maps: Sequence[Tensor]) -> bool:
    """Return whether a GPU multiplies these stacks, [segments, out, width], in grouped products.

    Its kernels take bfloat16, and rows that start at multiples of 16 bytes.
    """
    if not (x.is_cuda and x.dtype == torch.bfloat16 and hasattr(F, "grouped_mm")):
        return False
    aligned = all(size % 8 == 0 for each in maps for size in each.shape[1:])
    return aligned and torch.cuda.get_device_capability(x.device) >= (9, 0)


def apply_mlp_grouped(
    x: Tokens, gates: TokenGates, maps: Sequence[StackedLinear], activation: Activation
) -> Outputs:
    """Compute `coterie.kernels.mlp.apply_mlp` with torch.nn.functional.grouped_mm.

    The same node: it saves x and the inputs of the activation. Experts run side by side instead of
    one after another, which a GPU needs; the weights are cast to the dtype of x all at once. Adds
    up tokens' rows atomically, so that the last bit differs from call to call.
    """
    return _GroupedMlp.apply(x, gates, activation, *(part for each in maps for part in each))


class _GroupedMlp(torch.autograd.Function):
    """The node of `apply_mlp_grouped`; `stacks` are weight and bias (or None) of each map."""

    @staticmethod
    def forward(
        ctx: Any, x: Tokens, gates: TokenGates, activation: Activation, *stacks: Tensor | None
    ) -> Outputs:
        chosen = gates != 0
        pairs = chosen.t().nonzero()
        expert, token, ends = pairs[:, 0], pairs[:, 1], chosen.sum(0).cumsum(0).int()
        weights = cast("tuple[Tensor, ...]", stacks[::2])
        *inputs, output = map(StackedLinear, weights, stacks[1::2])
        gate, rows = gates[token, expert].to(x.dtype)[:, None], x.index_select(0, token)
        before = [multiply_grouped(rows, each.weight.transpose(1, 2), ends) for each in inputs]
        for z, (_, bias) in zip(before, inputs, strict=True):
            if bias is not None:
                z += bias.to(x.dtype).index_select(0, expert)
        hidden = compute_hidden(before, activation) * gate
        part = multiply_grouped(hidden, output.weight.transpose(1, 2), ends)
        if output.bias is not None:
            part.addcmul_(output.bias.to(x.dtype).index_select(0, expert), gate)
        ctx.save_for_backward(x, gates, token, expert, ends, *stacks, *before)
        ctx.activation, ctx.num_stacks = activation, len(stacks)
        return x.new_zeros(len(x), part.shape[1]).index_add_(0, token, part)

    @staticmethod
    @once_differentiable  # its type hides the arguments' names, which the next line's must match
    def backward(ctx: Any, dy: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, gates, token, expert, ends, *rest = ctx.saved_tensors
        stacks, before = rest[: ctx.num_stacks], rest[ctx.num_stacks :]
        *inputs, output = map(StackedLinear, stacks[::2], stacks[1::2])
        needed = ctx.needs_input_grad[3:]
        gate, rows = gates[token, expert].to(x.dtype)[:, None], x.index_select(0, token)
        dpart = dy.index_select(0, token)
        dhidden = multiply_grouped(dpart, output.weight, ends)
        hidden, dbefore = backpropagate_hidden(ctx.activation, before, dhidden * gate)
        dgate = (dhidden * hidden).sum(1, dtype=gates.dtype)
        if output.bias is not None:
            bias = output.bias.to(x.dtype).index_select(0, expert)
            dgate += (dpart * bias).sum(1, dtype=gates.dtype)
        dgates = torch.zeros_like(gates).index_put_((token, expert), dgate)
        dstacks: list[Tensor | None] = []
        drows: Any = 0
        products = [(dz, rows) for dz in dbefore] + [(dpart * gate, hidden)]
        for number, (gradient, read) in enumerate(products):
            weight, bias = stacks[2 * number], stacks[2 * number + 1]
            product = multiply_grouped(gradient.t(), read, ends) if needed[2 * number] else None
            dstacks.append(None if product is None else product.to(weight.dtype))
            total = None
            if bias is not None and needed[2 * number + 1]:
                total = torch.zeros_like(bias).index_add_(0, expert, gradient.to(bias.dtype))
            dstacks.append(total)
            if number < len(inputs):
                drows = drows + multiply_grouped(gradient, weight, ends)
        dx = torch.zeros_like(x).index_add_(0, token, drows)
        return dx, dgates, None, *dstacks


def multiply_grouped(
    rows: Slots, stack: Float[Tensor, "..."], ends: Int[Tensor, " segments"]
) -> Float[Tensor, "..."]:
    """Multiply each expert's rows by its own matrix; the rows of an expert end at its `ends`.

    `rows` [slots, in] and `stack` [segments, in, out] give [slots, out]. With `rows` transposed,
    [out, slots], and `stack` [slots, in], it gives the gradient of the weights, [segments, out,
    in]. Differentiable.
    """
    return F.grouped_mm(rows, stack.to(rows.dtype), offs=ends)
