"""Low-rank experts with one decision a sample, which reads only the chosen experts' matrices."""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from coterie.kernels.lora_reference import LoraCall
from coterie.routing.decision import DeferredRouting, RoutingDecision


def apply_per_sample(
    call: LoraCall, deferred: DeferredRouting
) -> tuple[Float[Tensor, "tokens out"], RoutingDecision]:
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
    out = _PerSample.apply(
        call.x.unflatten(0, (gates.shape[0], -1)),
        call.weight,
        call.bias,
        call.down,
        call.up,
        factors.repeat_interleave(call.layout.ranks[0], -1),
        chosen,
        call.layout.ranks[0],
    ).flatten(0, 1)
    if call.base_output is not None:
        out = call.base_output + out
    return out, decision


class _PerSample(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        down: Tensor,
        up: Tensor,
        factors: Tensor,
        chosen: Tensor,
        rank: int,
    ) -> Tensor:
        down_of = _gather_chosen(down, chosen, rank, x.dtype)
        up_of = _gather_chosen(up, chosen, rank, x.dtype)
        h = torch.bmm(x, down_of.transpose(1, 2))
        scaled = h * factors[:, None]
        ctx.save_for_backward(x, weight, down, up, factors, chosen, h)
        ctx.rank = rank
        if weight is None:
            return torch.bmm(scaled, up_of)
        return F.linear(x, weight, bias).baddbmm_(scaled, up_of)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, down, up, factors, chosen, h = ctx.saved_tensors
        (d_out,) = grads
        down_of = _gather_chosen(down, chosen, ctx.rank, x.dtype)
        up_of = _gather_chosen(up, chosen, ctx.rank, x.dtype)
        d_h = torch.bmm(d_out, up_of.transpose(1, 2))
        d_factors = (d_h * h).sum(1)
        d_up = _scatter_gradient(
            torch.bmm((h * factors[:, None]).transpose(1, 2), d_out), up, chosen
        )
        d_h = d_h * factors[:, None]
        d_down = _scatter_gradient(torch.bmm(d_h.transpose(1, 2), x), down, chosen)
        if weight is None:
            d_x = torch.bmm(d_h, down_of)
        else:
            d_x = (d_out @ weight).baddbmm_(d_h, down_of)
        return d_x, None, None, d_down, d_up, d_factors, None, None


def _gather_chosen(stack: Tensor, chosen: Tensor, rank: int, dtype: torch.dtype) -> Tensor:
    """Map [rank, features] to the chosen experts, [batch, chosen * expert rank, features]."""
    return stack.to(dtype).unflatten(0, (-1, rank))[chosen].flatten(1, 2)


def _scatter_gradient(grad: Tensor, stack: Tensor, chosen: Tensor) -> Tensor:
    total = torch.zeros_like(stack)
    parts = grad.unflatten(1, (chosen.shape[1], -1)).flatten(0, 1).to(stack.dtype)
    total.view(-1, *parts.shape[1:]).index_add_(0, chosen.flatten(), parts)
    return total
