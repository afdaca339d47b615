"""Low-rank experts on a linear layer in one autograd node, for every way of routing.

All forms compute y = x W^T + b + sum_e gate_e * scale_e * (x down_e^T) up_e and are held equal to
`reference` by tests. `down` stacks the experts' matrices along the rank axis, [rank, width]; `up`
stacks their transposes, [rank, out]. The stacked weights are cast to the dtype of `x`, never `x`
to theirs: the reverse costs 26 % of a bfloat16 model's step.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from coterie.routing.decision import Decision, Gating, full_precision


@dataclass(frozen=True)
class Segments:
    """How the rank axis divides among the experts, the always-on one last if there is one."""

    ranks: tuple[int, ...]
    scales: tuple[float, ...]

    def spread(self, like: Tensor) -> Float[Tensor, "segments rank"]:
        """The matrix that turns gates into scaled factors of the rank axis: `gates @ spread`.

        A matrix product, because its backward is one too; an index would add up atomically.
        """
        if torch.compiler.is_compiling():
            return _spread(self.ranks, self.scales, like.dtype, like.device)
        return _cached_spread(self.ranks, self.scales, like.dtype, like.device)


def _spread(
    ranks: tuple[int, ...], scales: tuple[float, ...], dtype: torch.dtype, device: torch.device
) -> Float[Tensor, "segments rank"]:
    rows = [
        torch.full((rank,), scale, dtype=dtype, device=device)
        for rank, scale in zip(ranks, scales, strict=True)
    ]
    return torch.block_diag(*rows)


@lru_cache(maxsize=256)
def _cached_spread(
    ranks: tuple[int, ...], scales: tuple[float, ...], dtype: torch.dtype, device: torch.device
) -> Float[Tensor, "segments rank"]:
    # A tensor first made under inference_mode could never be saved for a later backward.
    with torch.inference_mode(False):
        return _spread(ranks, scales, dtype, device)


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of a low-rank layer: the flat input, the host's part, the experts' weights.

    Either the frozen `weight` (and `bias`) of the host is given and its product is part of the
    node, or `host_output` is what the host made of the input by itself.
    """

    x: Float[Tensor, "tokens width"]
    down: Float[Tensor, "rank width"]
    up: Float[Tensor, "rank out"]
    segments: Segments
    weight: Float[Tensor, "out width"] | None = None
    bias: Float[Tensor, " out"] | None = None
    host_output: Float[Tensor, "tokens out"] | None = None
    tokens_per_unit: int = 1

    def host(self) -> Float[Tensor, "tokens out"] | None:
        """The host's part, computed or given."""
        if self.weight is None:
            return self.host_output
        return F.linear(self.x, self.weight, self.bias)


def reference(call: Call, gating: Gating) -> tuple[Float[Tensor, "tokens out"], Decision]:
    """The loop over experts that the papers print; kept for ever, for the tests."""
    decision = gating.decide(gating.resolve(call.x))
    gates = _per_token(decision.gates, call)
    x = call.x.to(call.down.dtype)
    downs, ups = call.down.split(call.segments.ranks), call.up.split(call.segments.ranks)
    total = call.host()
    total = x.new_zeros(len(x), call.up.shape[1]) if total is None else total
    for e, (down, up) in enumerate(zip(downs, ups, strict=True)):
        answer = (x @ down.t()) @ up
        total = total + (gates[:, e, None] * call.segments.scales[e] * answer).to(total.dtype)
    return total, decision


def _per_token(gates: Tensor, call: Call) -> Float[Tensor, "tokens segments"]:
    return gates.repeat_interleave(call.tokens_per_unit, 0) if call.tokens_per_unit > 1 else gates


def concatenated(call: Call, gating: Gating) -> tuple[Float[Tensor, "tokens out"], Decision]:
    """All experts as one low-rank map with gates on the rank axis, in ordinary operations.

    This is the form torch.compile traces; `fused` is the same arithmetic in one node.
    """
    x = call.x
    h = x @ call.down.to(x.dtype).t()
    decision = gating.decide(gating.resolve(x))
    factors = decision.gates.to(x.dtype) @ call.segments.spread(x)
    h = _scaled(h, factors, call.tokens_per_unit)
    total = call.host()
    up = call.up.to(x.dtype)
    return (h @ up if total is None else torch.addmm(total, h, up)), decision


def _scaled(h: Tensor, factors: Tensor, tokens_per_unit: int) -> Float[Tensor, "tokens rank"]:
    if tokens_per_unit == 1:
        return h * factors
    return (h.unflatten(0, (-1, tokens_per_unit)) * factors[:, None]).flatten(0, 1)


def fused(call: Call, gating: Gating) -> tuple[Float[Tensor, "tokens out"], Decision]:
    """`concatenated` in one autograd node, with the gate's rows in the same shrink product.

    Keeps [tokens, rank + experts] for backward and the layer's input, nothing of the size of
    the output; the router is run again on its few logits in backward.
    """
    out, *decision = _Fused.apply(
        call.x, call.weight, call.bias, call.down, call.up, gating.rows, gating.offset,
        gating.logits, call.segments, gating.decide, call.tokens_per_unit,
    )  # fmt: skip
    if call.host_output is not None:
        out = call.host_output + out
    return out, Decision(*decision)


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        down: Tensor,
        up: Tensor,
        rows: Tensor | None,
        offset: Tensor | None,
        logits: Tensor | None,
        segments: Segments,
        decide: Callable[[Tensor], Decision],
        tokens_per_unit: int,
    ) -> tuple[Tensor, ...]:
        rank = down.shape[0]
        shrunk = x @ _shrink(down, rows, x.dtype).t()
        logits = _logits(shrunk, rank, offset, logits)
        decision = decide(logits)
        factors = decision.gates.to(x.dtype) @ segments.spread(x)
        h = _scaled(shrunk[:, :rank], factors, tokens_per_unit)
        half = up.to(x.dtype)
        out = h @ half if weight is None else F.linear(x, weight, bias).addmm_(h, half)
        given = logits if rows is None else None
        ctx.save_for_backward(x, weight, down, up, rows, offset, given, shrunk)
        ctx.segments, ctx.decide, ctx.tokens_per_unit = segments, decide, tokens_per_unit
        ctx.set_materialize_grads(False)
        # A router that hands the logits on unchanged must not return the input itself.
        return (out, *(part.clone() if part is logits else part for part in decision))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        x, weight, down, up, rows, offset, logits, shrunk = ctx.saved_tensors
        logits = _logits(shrunk, down.shape[0], offset, logits)
        d_out, d_weights, d_probs, d_gates_tape, d_logits = grads
        rank, spread = down.shape[0], ctx.segments.spread(x)
        h, half = shrunk[:, :rank], up.to(x.dtype)
        with torch.enable_grad():
            leaf = logits.detach().requires_grad_()
            decision = ctx.decide(leaf)
        d_x = d_down = d_up = d_gates = d_h = None
        if d_out is not None:
            factors = decision.gates.detach().to(x.dtype) @ spread
            d_h = d_out @ half.t()
            if ctx.needs_input_grad[4]:
                d_up = (_scaled(h, factors, ctx.tokens_per_unit).t() @ d_out).to(up.dtype)
            d_gates = _units((d_h * h), ctx.tokens_per_unit, logits.shape[0]) @ spread.t()
            d_h = _scaled(d_h, factors, ctx.tokens_per_unit)
        d_decided = _vjp(
            decision,
            leaf,
            (d_weights, d_probs, _sum(d_gates, d_gates_tape), d_logits),
        )
        d_shrunk = _joined(d_h, d_decided if rows is not None else None, shrunk, rank)
        d_rows = None
        if d_shrunk is not None:
            if ctx.needs_input_grad[3] or ctx.needs_input_grad[5]:
                d_stack = d_shrunk.t() @ x
                d_down = d_stack[:rank].to(down.dtype)
                d_rows = None if rows is None else d_stack[rank:].to(rows.dtype)
            if ctx.needs_input_grad[0]:
                stack = _shrink(down, rows, x.dtype)
                through = None if weight is None or d_out is None else d_out @ weight
                d_x = d_shrunk @ stack if through is None else through.addmm_(d_shrunk, stack)
        d_offset = None
        if offset is not None and d_decided is not None:
            d_offset = d_decided.sum(0)
        d_given = d_decided if rows is None else None
        return d_x, None, None, d_down, d_up, d_rows, d_offset, d_given, None, None, None


def _logits(
    shrunk: Tensor, rank: int, offset: Tensor | None, given: Tensor | None
) -> Float[Tensor, "units experts"]:
    """The gate's logits: given, or behind the experts' columns of the shrink product."""
    if given is not None:
        return full_precision(given)
    logits = full_precision(shrunk[:, rank:])
    return logits if offset is None else logits + offset.to(logits.dtype)


def _shrink(down: Tensor, rows: Tensor | None, dtype: torch.dtype) -> Tensor:
    if rows is None:
        return down.to(dtype)
    return torch.cat((down.to(dtype), rows.to(dtype)))


def _units(per_token: Tensor, tokens_per_unit: int, units: int) -> Tensor:
    if units == 1:
        return per_token.sum(0, keepdim=True)
    if tokens_per_unit == 1:
        return per_token
    return per_token.unflatten(0, (-1, tokens_per_unit)).sum(1)


def _sum(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    if first is None or second is None:
        return first if second is None else second
    return first + second


def _vjp(decision: Decision, leaf: Tensor, grads: tuple[Tensor | None, ...]) -> Tensor | None:
    """The gradient of the logits, given those of the decision's parts; None if nothing flows."""
    parts = (decision.weights, decision.probs, decision.gates, decision.logits)
    pairs = [(p, g.to(p.dtype)) for p, g in zip(parts, grads, strict=True)
             if g is not None and p.requires_grad]  # fmt: skip
    if not pairs:
        return None
    return torch.autograd.grad([p for p, _ in pairs], leaf, [g for _, g in pairs])[0]


def _joined(d_h: Tensor | None, d_logits: Tensor | None, like: Tensor, rank: int) -> Tensor | None:
    """The gradient of the shrink product: the experts' columns, then the gate's if it has any."""
    if like.shape[1] == rank or (d_h is None and d_logits is None):
        return d_h
    d_h = torch.zeros_like(like[:, :rank]) if d_h is None else d_h
    d_logits = torch.zeros_like(like[:, rank:]) if d_logits is None else d_logits
    return torch.cat((d_h, d_logits.to(d_h.dtype)), 1)
