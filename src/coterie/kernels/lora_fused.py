"""Low-rank experts and their router in one autograd node, for layers that route by token."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from coterie.kernels.lora_reference import LoraCall, LoraResult, scale_by_unit, sum_over_units
from coterie.kernels.lora_scaled import apply_scaled, supports_scaled
from coterie.routing.decision import DeferredRouting, RoutingDecision, to_full_precision


def apply_fused(call: LoraCall, deferred: DeferredRouting) -> LoraResult:
    """Compute `apply_concatenated` in one autograd node, with the gate in the same shrink product.

    Saves [tokens, rank + experts] and the layer's input; backward runs the router again.
    """
    if supports_scaled(call, deferred):
        return apply_scaled(call, deferred)
    gate = (deferred.gate_weight, deferred.gate_bias, deferred.logits)
    tensors = (call.x, call.down, call.up, *gate)
    out, *decision = _Fused.apply(call, deferred.make_decision, *tensors)
    return call.add_base_output(out), RoutingDecision(*decision)


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        call: LoraCall,
        decide: Callable[[Tensor], RoutingDecision],
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
        factors = decision.combine_weights.to(x.dtype) @ call.layout.make_expansion_matrix(x)
        weighed = scale_by_unit(shrunk[:, : len(down)], factors, call.tokens_per_unit)
        out = call.start_output().addmm_(weighed, up.to(x.dtype))
        given = logits if rows is None else None
        ctx.save_for_backward(x, call.weight, down, up, rows, offset, given, shrunk)
        ctx.layout, ctx.tokens_per_unit, ctx.decide = call.layout, call.tokens_per_unit, decide
        ctx.set_materialize_grads(False)
        # An autograd function must not return an input, as a router that returns the logits would,
        # nor a view of what it saves.
        own = (part.clone() if part is given or part._is_view() else part for part in decision)
        return (out, *own)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        x, weight, down, up, rows, offset, given, shrunk = ctx.saved_tensors
        d_out, d_weights, d_probs, d_gates, d_logits = grads
        _, _, needs_x, needs_down, needs_up, needs_rows, _, _ = ctx.needs_input_grad
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
            through = sum_over_units(d_h * h, ctx.tokens_per_unit, len(leaf)) @ spread.t()
            d_gates = through if d_gates is None else through + d_gates
            d_h = scale_by_unit(d_h, factors, ctx.tokens_per_unit)
        d_decided = compute_logits_gradient(decision, leaf, d_weights, d_probs, d_gates, d_logits)
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
        return None, None, d_x, d_down, d_up, d_rows, d_offset, d_given


def _stack_maps(down: Tensor, rows: Tensor | None, dtype: torch.dtype) -> Tensor:
    """Return the matrix of the shrink product: the experts' rows, then the gate's, if any."""
    return (down if rows is None else torch.cat((down, rows))).to(dtype)


def _split_logits(
    shrunk: Tensor, rank: int, offset: Tensor | None, given: Tensor | None
) -> Float[Tensor, "units experts"]:
    """Return the gate's logits: those given, or the last columns of the shrink product."""
    if given is not None:
        return to_full_precision(given)
    logits = to_full_precision(shrunk[:, rank:])
    return logits if offset is None else logits + offset.to(logits.dtype)


def compute_logits_gradient(
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
