"""Low-rank experts visited one by one with the tokens that chose them: for large total rank."""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from coterie.kernels.lora_reference import LoraCall, RankLayout, expand_to_tokens
from coterie.routing.decision import DeferredRouting, RoutingDecision


def apply_sorted_dispatch(
    call: LoraCall, deferred: DeferredRouting
) -> tuple[Float[Tensor, "tokens out"], RoutingDecision]:
    """Sorted dispatch in one autograd node; equal to `kernels.lora.reference`.

    One `nonzero` over the transposed gates gives the pairs of token and expert in the experts'
    order, however many experts each token has. Costs a host synchronisation on a GPU.
    """
    decision = deferred.make_decision(deferred.resolve(call.x))
    gates = expand_to_tokens(decision.combine_weights, call)
    if gates.shape[0] != call.x.shape[0]:
        gates = gates.expand(call.x.shape[0], -1)
    out = _SortedDispatch.apply(
        call.x, call.weight, call.bias, call.down, call.up, gates.to(call.x.dtype), call.layout
    )
    if call.base_output is not None:
        out = call.base_output + out
    return out, decision


class _SortedDispatch(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        down: Tensor,
        up: Tensor,
        gates: Tensor,
        layout: RankLayout,
    ) -> Tensor:
        expert, token = gates.t().nonzero(as_tuple=True)
        counts = torch.bincount(expert, minlength=gates.shape[1]).tolist()
        if weight is None:
            out = x.new_zeros(x.shape[0], up.shape[1])
        else:
            out = F.linear(x, weight, bias)
        tokens = token.split(counts)
        hidden = []
        stacks = _split_by_expert(down, up, layout, x.dtype)
        for e, (down_e, up_e) in enumerate(stacks):
            h = x.index_select(0, tokens[e]) @ down_e.t()
            gate = gates[:, e].index_select(0, tokens[e])[:, None] * layout.scales[e]
            out.index_add_(0, tokens[e], (h * gate) @ up_e)
            hidden.append(h)
        ctx.save_for_backward(x, weight, down, up, gates, token, *hidden)
        ctx.counts, ctx.segments = counts, layout
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, down, up, gates, token, *hidden = ctx.saved_tensors
        (d_out,) = grads
        d_x = torch.zeros_like(x) if weight is None else d_out @ weight
        d_gates = torch.zeros_like(gates)
        d_downs, d_ups = [], []
        stacks = _split_by_expert(down, up, ctx.segments, x.dtype)
        for e, (down_e, up_e) in enumerate(stacks):
            mine, scale, h = token.split(ctx.counts)[e], ctx.segments.scales[e], hidden[e]
            gate = gates[:, e].index_select(0, mine)[:, None] * scale
            d_mine = d_out.index_select(0, mine)
            d_h = d_mine @ up_e.t()
            d_gates[:, e] = d_gates[:, e].index_add(0, mine, (d_h * h).sum(1) * scale)
            d_ups.append((h * gate).t() @ d_mine)
            d_h = d_h * gate
            d_downs.append(d_h.t() @ x.index_select(0, mine))
            d_x.index_add_(0, mine, d_h @ down_e)
        d_down = torch.cat(d_downs).to(down.dtype)
        d_up = torch.cat(d_ups).to(up.dtype)
        return d_x, None, None, d_down, d_up, d_gates, None


def _split_by_expert(
    down: Tensor, up: Tensor, layout: RankLayout, dtype: torch.dtype
) -> list[tuple[Tensor, Tensor]]:
    downs = down.to(dtype).split(layout.ranks)
    return list(zip(downs, up.to(dtype).split(layout.ranks), strict=True))
