"""Low-rank experts and their router in one autograd node, for layers that route by token."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from coterie.kernels.gate_expand import expand_gated_reference, expand_gated_triton
from coterie.kernels.lora_reference import LoraCall, LoraResult, expand_to_tokens, scale_by_unit
from coterie.routing.decision import DeferredRouting, RoutingDecision, to_full_precision

Expand = Callable[[Tensor, Tensor, Tensor, LoraCall], Tensor]
"""(output, input times `down`, gates, call) -> the output with the experts added in place."""


def apply_fused(
    call: LoraCall, deferred: DeferredRouting, expand: Expand | None = None
) -> LoraResult:
    """Compute `apply_concatenated` in one autograd node, with the gate in the same shrink product.

    Saves [tokens, rank + experts] and the layer's input; backward runs the router again.
    """
    gate = (deferred.gate_weight, deferred.gate_bias, deferred.logits)
    forms = (deferred.make_decision, expand or _expand_reference)
    out, *decision = _Fused.apply(call, *forms, call.x, call.down, call.up, *gate)
    return call.add_base_output(out), RoutingDecision(*decision)


def apply_triton(call: LoraCall, deferred: DeferredRouting) -> LoraResult:
    """Compute `apply_fused` with one Triton kernel for gating and expanding, or its reference.

    Used only by `Lora(kernel="triton")`: it has not been measured on a GPU yet.
    """
    return apply_fused(call, deferred, _expand_triton)


def _expand_reference(out: Tensor, h: Tensor, gates: Tensor, call: LoraCall) -> Tensor:
    factors = gates.to(h.dtype) @ call.layout.make_expansion_matrix(h)
    return out.addmm_(scale_by_unit(h, factors, call.tokens_per_unit), call.up.to(h.dtype))


def _expand_triton(out: Tensor, h: Tensor, gates: Tensor, call: LoraCall) -> Tensor:
    weighed = expand_to_tokens(gates * call.layout.get_scales(gates), call)
    on_device = out.is_cuda and find_spec("triton") is not None
    expand = expand_gated_triton if on_device else expand_gated_reference
    owners = call.layout.get_expert_of_rank(h)
    return expand(out, h, weighed.expand(len(h), -1), owners, call.up.to(h.dtype))


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        call: LoraCall,
        decide: Callable[[Tensor], RoutingDecision],
        expand: Expand,
        x: Tensor,
        down: Tensor,
        up: Tensor,
        rows: Tensor | None,
        offset: Tensor | None,
        logits: Tensor | None,
    ) -> tuple[Tensor, ...]:
        shrunk = x @ _stack_maps(down, rows, x.dtype).t()
        logits = _split_logits(shrunk, len(down), offset, logits)
        decision = decide(logits)
        out = call.start_output()
        expand(out, shrunk[:, : len(down)], decision.combine_weights, call)
        given = logits if rows is None else None
        ctx.save_for_backward(x, call.weight, down, up, rows, offset, given, shrunk)
        ctx.layout, ctx.tokens_per_unit, ctx.decide = call.layout, call.tokens_per_unit, decide
        ctx.set_materialize_grads(False)
        # An autograd function must not return an input, as a router that returns the logits would.
        return (out, *(part.clone() if part is logits else part for part in decision))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        x, weight, down, up, rows, offset, given, shrunk = ctx.saved_tensors
        d_out, d_weights, d_probs, d_gates, d_logits = grads
        _, _, _, needs_x, needs_down, needs_up, needs_rows, _, _ = ctx.needs_input_grad
        rank, spread = len(down), ctx.layout.make_expansion_matrix(x)
        logits = _split_logits(shrunk, rank, offset, given)
        with torch.enable_grad():
            leaf = logits.detach().requires_grad_()
            decision = ctx.decide(leaf)
        d_x = d_down = d_up = d_rows = d_h = None
        if d_out is not None:
            h, factors = shrunk[:, :rank], decision.combine_weights.detach().to(x.dtype) @ spread
            d_h = d_out @ up.to(x.dtype).t()
            if needs_up:
                d_up = (scale_by_unit(h, factors, ctx.tokens_per_unit).t() @ d_out).to(up.dtype)
            through = _sum_over_units(d_h * h, ctx.tokens_per_unit, len(leaf)) @ spread.t()
            d_gates = through if d_gates is None else through + d_gates
            d_h = scale_by_unit(d_h, factors, ctx.tokens_per_unit)
        d_decided = _compute_logits_gradient(decision, leaf, d_weights, d_probs, d_gates, d_logits)
        d_shrunk = _join_gradients(d_h, None if rows is None else d_decided, shrunk, rank)
        if d_shrunk is not None:
            if needs_down or needs_rows:
                d_stack = d_shrunk.t() @ x
                d_down = d_stack[:rank].to(down.dtype)
                d_rows = None if rows is None else d_stack[rank:].to(rows.dtype)
            if needs_x:
                stack = _stack_maps(down, rows, x.dtype)
                through = None if weight is None or d_out is None else d_out @ weight
                d_x = d_shrunk @ stack if through is None else through.addmm_(d_shrunk, stack)
        d_offset = None if offset is None or d_decided is None else d_decided.sum(0)
        d_given = d_decided if rows is None else None
        return None, None, None, d_x, d_down, d_up, d_rows, d_offset, d_given


def _stack_maps(down: Tensor, rows: Tensor | None, dtype: torch.dtype) -> Tensor:
    """Return the matrix of the shrink product: the experts' rows, then the gate's, if any."""
    return down.to(dtype) if rows is None else torch.cat((down.to(dtype), rows.to(dtype)))


def _split_logits(
    shrunk: Tensor, rank: int, offset: Tensor | None, given: Tensor | None
) -> Float[Tensor, "units experts"]:
    """Return the gate's logits: those given, or the last columns of the shrink product."""
    if given is not None:
        return to_full_precision(given)
    logits = to_full_precision(shrunk[:, rank:])
    return logits if offset is None else logits + offset.to(logits.dtype)


def _sum_over_units(per_token: Tensor, tokens_per_unit: int, units: int) -> Tensor:
    if units == 1:
        return per_token.sum(0, keepdim=True)
    if tokens_per_unit == 1:
        return per_token
    return per_token.unflatten(0, (-1, tokens_per_unit)).sum(1)


def _compute_logits_gradient(
    decision: RoutingDecision, leaf: Tensor, *grads: Tensor | None
) -> Tensor | None:
    """Compute the gradient of the logits from those of the decision's parts; None without any."""
    pairs = [(part, gradient.to(part.dtype)) for part, gradient in zip(decision, grads, strict=True)
             if gradient is not None and part.requires_grad]  # fmt: skip
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
