"""Low-rank kernels for one shape of call: one decision for the batch or a sample, or sparse."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from coterie.kernels.dispatch import TokenAssignments, assign_tokens
from coterie.kernels.lora_reference import LoraCall, LoraResult, expand_to_tokens, keep_cast
from coterie.routing.decision import DeferredRouting, RoutingDecision


def apply_merged(call: LoraCall, deferred: DeferredRouting) -> LoraResult:
    """Merge the mixture into the base layer's weight for this call; equal to `apply_reference`.

    About 0.9 of the time without merging, in exchange for one buffer of the weight's size. Needs
    `deferred.is_uniform` and the base layer's weight.
    """
    assert call.weight is not None
    decision, layout = deferred.decide(call.x), call.layout
    factors, alpha = None, 1.0
    if deferred.constant is None:
        expansion = layout.make_expansion_matrix(call.x)
        factors = (decision.combine_weights.to(call.x.dtype) @ expansion)[0]
    elif len(layout.ranks) == 1:
        alpha = deferred.constant[0] * layout.scales[0]
    else:
        factors = layout.make_factors(deferred.constant, call.x)[0]
    out = _Merged.apply(call.bias, call.weight, call.x, call.down, call.up, factors, alpha)
    return out, decision


class _Merged(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        bias: Tensor | None,
        weight: Tensor,
        x: Tensor,
        down: Tensor,
        up: Tensor,
        factors: Tensor | None,
        alpha: float,
    ) -> Tensor:
        half_down, half_up = down.to(x.dtype), up.to(x.dtype)
        kept = keep_cast(x, half_down, half_up)
        ctx.save_for_backward(weight, x, down, up, factors, *kept)
        ctx.alpha = alpha
        return F.linear(x, _merge_weight(weight, half_down, half_up, factors, alpha), bias)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        weight, x, down, up, factors, half_down, half_up = ctx.saved_tensors
        (d_out,) = grads
        alpha = ctx.alpha
        half_down = down.to(x.dtype) if half_down is None else half_down
        half_up = up.to(x.dtype) if half_up is None else half_up
        h, d_h = x @ half_down.t(), d_out @ half_up.t()
        d_factors = (d_h * h).sum(0) if ctx.needs_input_grad[5] else None
        if factors is not None:
            h, d_h = h * factors, d_h * factors
        # With beta=0 the first argument gives a shape alone, and alpha costs no pass of its own.
        d_up = torch.addmm(half_up, h.t(), d_out, beta=0, alpha=alpha).to(up.dtype)
        d_down = torch.addmm(half_down, d_h.t(), x, beta=0, alpha=alpha).to(down.dtype)
        d_x = None
        if ctx.needs_input_grad[2]:
            d_x = d_out @ _merge_weight(weight, half_down, half_up, factors, alpha)
        return None, None, d_x, d_down, d_up, d_factors, None


def _merge_weight(
    weight: Tensor, down: Tensor, up: Tensor, factors: Tensor | None, alpha: float
) -> Tensor:
    up = up if factors is None else up * factors[:, None]
    return torch.addmm(weight, up.to(weight.dtype).t(), down.to(weight.dtype), alpha=alpha)


def apply_per_sample(call: LoraCall, deferred: DeferredRouting) -> LoraResult:
    """Gather each sample's chosen experts and multiply in batches; equal to `apply_reference`.

    Needs `deferred.per_sample`, equal ranks and `deferred.max_active` below the number of experts;
    its cost is that of one LoRA of rank max_active * rank, without a host synchronisation.
    """
    assert len(set(call.layout.ranks)) == 1
    decision, x = deferred.decide(call.x), call.x
    key = ("chosen", call.layout, x.dtype)
    chosen, factors = deferred.share(key, partial(_choose_experts, decision, call, deferred))
    out = _PerSample.apply(
        call, chosen, x.view(len(factors), -1, x.shape[1]), call.down, call.up, factors
    )
    return call.add_base_output(out.flatten(0, 1)), decision


def _choose_experts(
    decision: RoutingDecision, call: LoraCall, deferred: DeferredRouting
) -> tuple[Tensor, Tensor]:
    """Return each sample's experts, [batch * chosen], and the factors of their ranks."""
    assert deferred.max_active is not None
    gates, routed = decision.combine_weights, decision.weights.shape[-1]
    chosen = gates[:, :routed].abs().topk(min(deferred.max_active, gates.shape[1]), -1).indices
    if gates.shape[1] > routed:
        chosen = F.pad(chosen, (0, 1), value=gates.shape[1] - 1)
    factors = gates.gather(-1, chosen).to(call.x.dtype) * call.layout.get_scales(call.x)[chosen]
    return chosen.flatten(), factors.repeat_interleave(call.layout.ranks[0], -1)


class _PerSample(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, call: LoraCall, chosen: Tensor, x: Tensor, down: Tensor, up: Tensor,
        factors: Tensor,
    ) -> Tensor:  # fmt: skip
        ctx.rank = call.layout.ranks[0]
        down_of, up_of = (_gather_chosen(each, chosen, ctx.rank, x) for each in (down, up))
        h = torch.bmm(x, down_of.transpose(1, 2))
        scaled = h * factors[:, None]
        ctx.save_for_backward(x, call.weight, down, up, factors, chosen, h)
        if call.weight is None:
            return torch.bmm(scaled, up_of)
        return F.linear(x, call.weight, call.bias).baddbmm_(scaled, up_of)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, down, up, factors, chosen, h = ctx.saved_tensors
        (d_out,) = grads
        down_of, up_of = (_gather_chosen(each, chosen, ctx.rank, x) for each in (down, up))
        d_h = torch.bmm(d_out, up_of.transpose(1, 2))
        d_factors = (d_h * h).sum(1) if ctx.needs_input_grad[5] else None
        factors = factors[:, None]
        d_up = _scatter_gradient(torch.bmm((h * factors).transpose(1, 2), d_out), up, chosen)
        d_h = d_h * factors
        d_down = _scatter_gradient(torch.bmm(d_h.transpose(1, 2), x), down, chosen)
        d_x = None
        if ctx.needs_input_grad[2]:
            base = None if weight is None else d_out @ weight
            d_x = d_h.bmm(down_of) if base is None else base.baddbmm_(d_h, down_of)
        return None, None, d_x, d_down, d_up, d_factors


def _gather_chosen(stack: Tensor, chosen: Tensor, rank: int, x: Tensor) -> Tensor:
    """Map [rank, features] to the chosen experts, [batch, chosen * expert rank, features]."""
    experts = stack.view(-1, rank * stack.shape[1]).index_select(0, chosen)
    return experts.to(x.dtype).view(len(x), -1, stack.shape[1])


def _scatter_gradient(grad: Tensor, stack: Tensor, chosen: Tensor) -> Tensor:
    total = torch.zeros_like(stack)
    parts = grad.to(stack.dtype).view(len(chosen), -1)
    total.view(-1, parts.shape[1]).index_add_(0, chosen, parts)
    return total


def apply_sorted_dispatch(call: LoraCall, deferred: DeferredRouting) -> LoraResult:
    """Run each expert on its assigned tokens in one autograd node; equal to `apply_reference`.

    For a large total rank; a token may have any number. Costs a host synchronisation on a GPU.
    """
    decision = deferred.decide(call.x)
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
