"""Low-rank kernels for one shape of call: one decision for the batch or a sample, or sparse."""

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from coterie.kernels.dispatch import TokenAssignments, assign_tokens
from coterie.kernels.lora_reference import LoraCall, LoraResult, expand_to_tokens
from coterie.routing.decision import DeferredRouting


def apply_merged(call: LoraCall, deferred: DeferredRouting) -> LoraResult:
    """Merge the mixture into the base layer's weight for this call; equal to `apply_reference`.

    About 0.9 of the time without merging, in exchange for one buffer of the weight's size. Needs
    `deferred.is_uniform` and the base layer's weight.
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
    gates, routed = decision.combine_weights, decision.weights.shape[-1]
    chosen = gates[:, :routed].abs().topk(min(deferred.max_active, gates.shape[1]), -1).indices
    if gates.shape[1] > routed:
        chosen = F.pad(chosen, (0, 1), value=gates.shape[1] - 1)
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
        down_of, up_of = (_gather_chosen(each, chosen, ctx.rank, x.dtype) for each in (down, up))
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
        down_of, up_of = (_gather_chosen(each, chosen, ctx.rank, x.dtype) for each in (down, up))
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


def apply_sorted_dispatch(call: LoraCall, deferred: DeferredRouting) -> LoraResult:
    """Run each expert on its assigned tokens in one autograd node; equal to `apply_reference`.

    For a large total rank; a token may have any number. Costs a host synchronisation on a GPU.
    """
    decision = deferred.make_decision(deferred.resolve(call.x))
    gates = expand_to_tokens(decision.combine_weights, call)
    if gates.shape[0] != call.x.shape[0]:
        gates = gates.expand(call.x.shape[0], -1)
    out = _SortedDispatch.apply(call, call.x, call.down, call.up, gates.to(call.x.dtype))
    return call.add_base_output(out), decision


class _SortedDispatch(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, call: LoraCall, x: Tensor, down: Tensor, up: Tensor, gates: Tensor
    ) -> Tensor:
        slots = assign_tokens(gates)
        hidden: list[Tensor] = []

        def run_experts() -> Iterator[tuple[int, Tensor]]:
            for e, rows, gate, down_e, up_e in _iter_experts(ctx, x, gates, down, up, slots):
                h = rows @ down_e.t()
                hidden.append(h)
                yield e, (h * gate) @ up_e

        ctx.counts = slots.tokens_per_expert
        ctx.layout, ctx.dispatcher = call.layout, call.dispatcher
        out = call.dispatcher.combine(run_experts(), slots.of_tokens(), call.start_output())
        ctx.save_for_backward(x, call.weight, down, up, gates, slots.token, slots.expert, *hidden)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, down, up, gates, token, expert, *hidden = ctx.saved_tensors
        (d_out,) = grads
        d_x = torch.zeros_like(x) if weight is None else d_out @ weight
        slots = TokenAssignments(token, expert, ctx.counts)
        d_gates: list[tuple[int, Tensor]] = []
        d_downs, d_ups = [], []

        def run_experts() -> Iterator[tuple[int, Tensor]]:
            experts = _iter_experts(ctx, x, gates, down, up, slots)
            d_mines = ctx.dispatcher.dispatch(d_out, slots.of_tokens())
            for (e, rows, gate, down_e, up_e), d_mine in zip(experts, d_mines, strict=True):
                h = hidden[e]
                d_h = d_mine @ up_e.t()
                d_gates.append((e, (d_h * h).sum(1) * ctx.layout.scales[e]))
                d_ups.append((h * gate).t() @ d_mine)
                d_h = d_h * gate
                d_downs.append(d_h.t() @ rows)
                yield e, d_h @ down_e

        d_x = ctx.dispatcher.combine(run_experts(), slots.of_tokens(), d_x)
        numbers, d_gate = slots.of_gates(gates.shape[1]), gates.new_zeros(gates.numel())
        d_gate = ctx.dispatcher.combine(d_gates, numbers, d_gate).view(gates.shape)
        return None, d_x, torch.cat(d_downs).to(down.dtype), torch.cat(d_ups).to(up.dtype), d_gate


def _iter_experts(
    ctx: Any, x: Tensor, gates: Tensor, down: Tensor, up: Tensor, slots: TokenAssignments
) -> Iterator[tuple[int, Tensor, Tensor, Tensor, Tensor]]:
    """Yield (expert, its rows of x, their gates times its scale, its down, its up)."""
    given = ctx.dispatcher.dispatch_gated(x, gates, slots)
    downs, ups = (stack.to(x.dtype).split(ctx.layout.ranks) for stack in (down, up))
    for e, ((mine, gate), down_e, up_e) in enumerate(zip(given, downs, ups, strict=True)):
        yield e, mine, gate[:, None] * ctx.layout.scales[e], down_e, up_e
