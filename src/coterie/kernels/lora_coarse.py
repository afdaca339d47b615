"""Low-rank experts with one decision for the batch or a sample, not for each token."""

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


def apply_per_sample(call: LoraCall, deferred: DeferredRouting) -> LoraResult:
    """Gather each sample's chosen experts and multiply in batches; equal to `apply_reference`.

    Needs `deferred.per_sample`, equal ranks and `deferred.max_active` below the number of experts;
    its cost is that of one LoRA of rank max_active * rank, without a host synchronisation.
    """
    assert deferred.max_active is not None and len(set(call.layout.ranks)) == 1
    decision = deferred.make_decision(deferred.resolve(call.x))
    gates = decision.combine_weights
    routed = decision.weights.shape[-1]
    chosen = gates[:, :routed].abs().topk(min(deferred.max_active, gates.shape[1]), -1).indices
    if gates.shape[1] > routed:
        last = torch.full_like(chosen[:, :1], gates.shape[1] - 1)
        chosen = torch.cat([chosen, last], -1)
    factors = gates.gather(-1, chosen).to(call.x.dtype) * call.layout.get_scales(call.x)[chosen]
    factors = factors.repeat_interleave(call.layout.ranks[0], -1)
    x = call.x.unflatten(0, (gates.shape[0], -1))
    out = _PerSample.apply(call, chosen, x, call.down, call.up, factors)
    return call.add_base_output(out.flatten(0, 1)), decision


class _PerSample(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, call: LoraCall, chosen: Tensor, x: Tensor, down: Tensor, up: Tensor, gates: Tensor
    ) -> Tensor:
        ctx.rank = call.layout.ranks[0]
        down_of = _gather_chosen(down, chosen, ctx.rank, x.dtype)
        up_of = _gather_chosen(up, chosen, ctx.rank, x.dtype)
        h = torch.bmm(x, down_of.transpose(1, 2))
        scaled = h * gates[:, None]
        ctx.save_for_backward(x, call.weight, down, up, gates, chosen, h)
        if call.weight is None:
            return torch.bmm(scaled, up_of)
        return F.linear(x, call.weight, call.bias).baddbmm_(scaled, up_of)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, down, up, factors, chosen, h = ctx.saved_tensors
        (d_out,) = grads
        down_of = _gather_chosen(down, chosen, ctx.rank, x.dtype)
        up_of = _gather_chosen(up, chosen, ctx.rank, x.dtype)
        d_h = torch.bmm(d_out, up_of.transpose(1, 2))
        d_factors = (d_h * h).sum(1)
        scaled = h * factors[:, None]
        d_up = _scatter_gradient(torch.bmm(scaled.transpose(1, 2), d_out), up, chosen)
        d_h = d_h * factors[:, None]
        d_down = _scatter_gradient(torch.bmm(d_h.transpose(1, 2), x), down, chosen)
        d_x = (d_out @ weight).baddbmm_(d_h, down_of) if weight is not None else d_h.bmm(down_of)
        return None, None, d_x, d_down, d_up, d_factors


def _gather_chosen(stack: Tensor, chosen: Tensor, rank: int, dtype: torch.dtype) -> Tensor:
    """Map [rank, features] to the chosen experts, [batch, chosen * expert rank, features]."""
    return stack.to(dtype).unflatten(0, (-1, rank))[chosen].flatten(1, 2)


def _scatter_gradient(grad: Tensor, stack: Tensor, chosen: Tensor) -> Tensor:
    total = torch.zeros_like(stack)
    parts = grad.unflatten(1, (chosen.shape[1], -1)).flatten(0, 1).to(stack.dtype)
    total.view(-1, *parts.shape[1:]).index_add_(0, chosen.flatten(), parts)
    return total
