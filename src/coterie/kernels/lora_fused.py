"""Low-rank experts and their router in one autograd node, for layers that route by token."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from coterie.kernels.gate_expand import expand_gated
from coterie.kernels.lora_reference import LoraCall, RankLayout, scale_by_unit
from coterie.routing.decision import DeferredRouting, RoutingDecision, to_full_precision


def apply_fused(
    call: LoraCall, deferred: DeferredRouting
) -> tuple[Float[Tensor, "tokens out"], RoutingDecision]:
    """Compute `apply_concatenated` in one autograd node, with the gate in the same shrink product.

    Saves [tokens, rank + experts] and the layer's input for backward, nothing of the size of
    the output; backward runs the router again on the logits.
    """
    return _apply(call, deferred, _expand_reference)


def apply_triton(
    call: LoraCall, deferred: DeferredRouting
) -> tuple[Float[Tensor, "tokens out"], RoutingDecision]:
    """Compute `apply_fused` with one Triton kernel for gating and expanding, on CUDA with Triton.

    Elsewhere the kernel's reference runs. Used only by `Lora(kernel="triton")`: it has not been
    measured on a GPU yet.
    """
    return _apply(call, deferred, _expand_triton)


Expand = Callable[[Tensor, Tensor, Tensor, Tensor, RankLayout, int], Tensor]


def _apply(
    call: LoraCall, deferred: DeferredRouting, expand: Expand
) -> tuple[Tensor, RoutingDecision]:
    out, *decision = _Fused.apply(
        call.x, call.weight, call.bias, call.down, call.up, deferred.gate_weight,
        deferred.gate_bias,
        deferred.logits, call.layout, deferred.make_decision, call.tokens_per_unit, expand,
    )  # fmt: skip
    if call.base_output is not None:
        out = call.base_output + out
    return out, RoutingDecision(*decision)


def _expand_reference(
    out: Tensor, h: Tensor, gates: Tensor, up: Tensor, layout: RankLayout, tokens_per_unit: int
) -> Float[Tensor, "tokens out"]:
    """Compute out += (h * gates on the rank axis) @ up."""
    factors = gates.to(h.dtype) @ layout.make_expansion_matrix(h)
    return out.addmm_(scale_by_unit(h, factors, tokens_per_unit), up)


def _expand_triton(
    out: Tensor, h: Tensor, gates: Tensor, up: Tensor, layout: RankLayout, tokens_per_unit: int
) -> Float[Tensor, "tokens out"]:
    weighed = gates * layout.get_scales(gates)
    if tokens_per_unit > 1:
        weighed = weighed.repeat_interleave(tokens_per_unit, 0)
    weighed = weighed.expand(len(h), -1)
    return expand_gated(out, h, weighed, layout.get_expert_of_rank(h), up)


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
        layout: RankLayout,
        decide: Callable[[Tensor], RoutingDecision],
        tokens_per_unit: int,
        expand: Expand,
    ) -> tuple[Tensor, ...]:
        rank = down.shape[0]
        shrunk = x @ _shrink(down, rows, x.dtype).t()
        logits = _split_logits(shrunk, rank, offset, logits)
        decision = decide(logits)
        if weight is None:
            out = x.new_zeros(len(x), up.shape[1])
        else:
            out = F.linear(x, weight, bias)
        expand(
            out, shrunk[:, :rank], decision.combine_weights, up.to(x.dtype), layout, tokens_per_unit
        )
        given = logits if rows is None else None
        ctx.save_for_backward(x, weight, down, up, rows, offset, given, shrunk)
        ctx.segments, ctx.decide, ctx.tokens_per_unit = layout, decide, tokens_per_unit
        ctx.set_materialize_grads(False)
        # An autograd function must not return an input, as a router that returns the logits would.
        return (out, *(part.clone() if part is logits else part for part in decision))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        x, weight, down, up, rows, offset, logits, shrunk = ctx.saved_tensors
        logits = _split_logits(shrunk, down.shape[0], offset, logits)
        d_out, d_weights, d_probs, d_gates_tape, d_logits = grads
        rank, spread = down.shape[0], ctx.segments.make_expansion_matrix(x)
        h, half = shrunk[:, :rank], up.to(x.dtype)
        with torch.enable_grad():
            leaf = logits.detach().requires_grad_()
            decision = ctx.decide(leaf)
        d_x = d_down = d_up = d_gates = d_h = None
        if d_out is not None:
            factors = decision.combine_weights.detach().to(x.dtype) @ spread
            d_h = d_out @ half.t()
            if ctx.needs_input_grad[4]:
                d_up = (scale_by_unit(h, factors, ctx.tokens_per_unit).t() @ d_out).to(up.dtype)
            d_gates = _sum_over_units((d_h * h), ctx.tokens_per_unit, logits.shape[0]) @ spread.t()
            d_h = scale_by_unit(d_h, factors, ctx.tokens_per_unit)
        d_decided = _compute_logits_gradient(
            decision,
            leaf,
            (d_weights, d_probs, _add_optional(d_gates, d_gates_tape), d_logits),
        )
        d_shrunk = _join_gradients(d_h, d_decided if rows is not None else None, shrunk, rank)
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
        return d_x, None, None, d_down, d_up, d_rows, d_offset, d_given, None, None, None, None


def _split_logits(
    shrunk: Tensor, rank: int, offset: Tensor | None, given: Tensor | None
) -> Float[Tensor, "units experts"]:
    """Return the gate's logits: those given, or the last columns of the shrink product."""
    if given is not None:
        return to_full_precision(given)
    logits = to_full_precision(shrunk[:, rank:])
    return logits if offset is None else logits + offset.to(logits.dtype)


def _shrink(down: Tensor, rows: Tensor | None, dtype: torch.dtype) -> Tensor:
    if rows is None:
        return down.to(dtype)
    return torch.cat((down.to(dtype), rows.to(dtype)))


def _sum_over_units(per_token: Tensor, tokens_per_unit: int, units: int) -> Tensor:
    if units == 1:
        return per_token.sum(0, keepdim=True)
    if tokens_per_unit == 1:
        return per_token
    return per_token.unflatten(0, (-1, tokens_per_unit)).sum(1)


def _add_optional(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    if first is None or second is None:
        return first if second is None else second
    return first + second


def _compute_logits_gradient(
    decision: RoutingDecision, leaf: Tensor, grads: tuple[Tensor | None, ...]
) -> Tensor | None:
    """Compute the gradient of the logits from those of the decision's parts; None without any."""
    parts = (decision.weights, decision.probs, decision.combine_weights, decision.logits)
    pairs = [(p, g.to(p.dtype)) for p, g in zip(parts, grads, strict=True)
             if g is not None and p.requires_grad]  # fmt: skip
    if not pairs:
        return None
    return torch.autograd.grad([p for p, _ in pairs], leaf, [g for _, g in pairs])[0]


def _join_gradients(
    d_h: Tensor | None, d_logits: Tensor | None, like: Tensor, rank: int
) -> Tensor | None:
    """Return the gradient of the shrink product: the experts' columns, then the gate's, if any."""
    if like.shape[1] == rank or (d_h is None and d_logits is None):
        return d_h
    d_h = torch.zeros_like(like[:, :rank]) if d_h is None else d_h
    d_logits = torch.zeros_like(like[:, rank:]) if d_logits is None else d_logits
    return torch.cat((d_h, d_logits.to(d_h.dtype)), 1)
