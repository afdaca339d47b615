"""Low-rank experts with one decision for the batch, merged into the base layer's weight."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from coterie.kernels.lora_reference import LoraCall, LoraResult
from coterie.routing.decision import DeferredRouting


def apply_merged(call: LoraCall, deferred: DeferredRouting) -> LoraResult:
    """Merge the mixture into the base layer's weight for this call; equal to `apply_reference`.

    Forward and the input's gradient are one product each, and only the experts' own gradients
    stay low-rank: about 0.9 of the time without merging, in exchange for one buffer of the
    weight's size. Needs `deferred.is_uniform` and the base layer's weight.
    """
    assert call.weight is not None
    decision = deferred.make_decision(deferred.resolve(call.x))
    expansion = call.layout.make_expansion_matrix(call.x)
    factors = (decision.combine_weights.to(call.x.dtype) @ expansion)[0]
    return _Merged.apply(call.bias, call.weight, call.x, call.down, call.up, factors), decision


class _Merged(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, bias: Tensor | None, weight: Tensor, x: Tensor, *experts: Tensor
    ) -> Tensor:
        ctx.save_for_backward(weight, x, *experts)
        return F.linear(x, _merge_weight(weight, *experts), bias)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        weight, x, down, up, factors = ctx.saved_tensors
        (d_out,) = grads
        h, d_h = x @ down.to(x.dtype).t(), d_out @ up.to(x.dtype).t()
        d_up = ((h.t() @ d_out) * factors[:, None]).to(up.dtype)
        d_down = ((d_h * factors).t() @ x).to(down.dtype)
        d_factors = (d_h * h).sum(0)
        d_x = d_out @ _merge_weight(weight, down, up, factors) if ctx.needs_input_grad[2] else None
        return None, None, d_x, d_down, d_up, d_factors


def _merge_weight(weight: Tensor, down: Tensor, up: Tensor, factors: Tensor) -> Tensor:
    half_down, half_up = down.to(weight.dtype), up.to(weight.dtype)
    return torch.addmm(weight, (half_up * factors[:, None].to(weight.dtype)).t(), half_down)
