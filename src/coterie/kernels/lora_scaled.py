"""Low-rank experts in one autograd node, where the factors of their ranks are known beforehand."""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from coterie.kernels.lora_reference import (
    LoraCall,
    LoraResult,
    keep_cast,
    scale_by_unit,
    sum_over_units,
)
from coterie.routing.decision import DeferredRouting, RoutingDecision


def supports_scaled(call: LoraCall, deferred: DeferredRouting) -> bool:
    """Return whether one decision serves the batch, or all tokens of a sample."""
    return deferred.logits is not None and (deferred.is_uniform or call.tokens_per_unit > 1)


def apply_scaled(call: LoraCall, deferred: DeferredRouting) -> LoraResult:
    """Compute `apply_concatenated` with the launches of one LoRA of the experts' total rank.

    The decision is made outside of the node, once for all layers of a tie group, and there is one
    row of factors a sample, so that nothing of it is worth computing again in backward. Saves
    [tokens, rank] and the layer's input. Needs `supports_scaled`.
    """
    decision = deferred.decide(call.x)
    if deferred.constant is None:
        key = ("factors", call.layout, call.x.dtype)
        factors = deferred.share(key, partial(_expand_to_ranks, decision, call))
    else:
        factors = call.layout.make_factors(deferred.constant, call.x)
    out = _Scaled.apply(call, call.x, call.down, call.up, factors)
    return call.add_base_output(out), decision


def _expand_to_ranks(decision: RoutingDecision, call: LoraCall) -> Tensor:
    return decision.combine_weights.to(call.x.dtype) @ call.layout.make_expansion_matrix(call.x)


class _Scaled(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, call: LoraCall, x: Tensor, down: Tensor, up: Tensor, factors: Tensor
    ) -> Tensor:
        half_down, half_up = down.to(x.dtype), up.to(x.dtype)
        h = x @ half_down.t()
        kept = keep_cast(x, half_down, half_up)
        ctx.save_for_backward(x, call.weight, down, up, factors, h, *kept)
        ctx.tokens_per_unit = call.tokens_per_unit
        scaled = scale_by_unit(h, factors, call.tokens_per_unit)
        return call.start_output().addmm_(scaled, half_up)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, down, up, factors, h, half_down, half_up = ctx.saved_tensors
        (d_out,) = grads
        tokens, needs = ctx.tokens_per_unit, ctx.needs_input_grad
        half_down = down.to(x.dtype) if half_down is None else half_down
        half_up = up.to(x.dtype) if half_up is None else half_up
        d_h = d_out @ half_up.t()
        d_x = d_down = d_up = d_factors = None
        if needs[3]:
            d_up = (scale_by_unit(h, factors, tokens).t() @ d_out).to(up.dtype)
        if needs[4]:
            d_factors = sum_over_units(d_h * h, tokens, len(factors))
        d_h = scale_by_unit(d_h, factors, tokens)
        if needs[2]:
            d_down = (d_h.t() @ x).to(down.dtype)
        if needs[1]:
            base = None if weight is None else d_out @ weight
            d_x = d_h @ half_down if base is None else base.addmm_(d_h, half_down)
        return None, d_x, d_down, d_up, d_factors
