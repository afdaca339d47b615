"""Low-rank experts with one decision for the batch, merged into the base layer's weight."""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from coterie.kernels.lora_reference import LoraCall
from coterie.routing.decision import DeferredRouting, RoutingDecision


def apply_merged(
    call: LoraCall, deferred: DeferredRouting
) -> tuple[Float[Tensor, "tokens out"], RoutingDecision]:
    """Merge the mixture into the base layer's weight for this call; equal to `apply_reference`.

    Forward and the input's gradient are one product each, and only the experts' own gradients
    stay low-rank: about 0.9 of the time without merging, in exchange for one buffer of the
    weight's size. Needs `deferred.is_uniform` and the base layer's weight.
    """
    assert call.weight is not None
    decision = deferred.make_decision(deferred.resolve(call.x))
    factors = (
        decision.combine_weights.to(call.x.dtype) @ call.layout.make_expansion_matrix(call.x)
    )[0]
    out = _Merged.apply(call.x, call.weight, call.bias, call.down, call.up, factors)
    return out, decision


class _Merged(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        down: Tensor,
        up: Tensor,
        factors: Tensor,
    ) -> Tensor:
        merged = _merge_weight(weight, down, up, factors)
        ctx.save_for_backward(x, weight, down, up, factors)
        return F.linear(x, merged, bias)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, down, up, factors = ctx.saved_tensors
        (d_out,) = grads
        half_down, half_up = down.to(x.dtype), up.to(x.dtype)
        h, d_h = x @ half_down.t(), d_out @ half_up.t()
        d_up = ((h.t() @ d_out) * factors[:, None]).to(up.dtype)
        d_down = ((d_h * factors).t() @ x).to(down.dtype)
        d_factors = (d_h * h).sum(0)
        d_x = d_out @ _merge_weight(weight, down, up, factors) if ctx.needs_input_grad[0] else None
        return d_x, None, None, d_down, d_up, d_factors


def _merge_weight(weight: Tensor, down: Tensor, up: Tensor, factors: Tensor) -> Tensor:
    half_down, half_up = down.to(weight.dtype), up.to(weight.dtype)
    return torch.addmm(weight, (half_up * factors[:, None].to(weight.dtype)).t(), half_down)
