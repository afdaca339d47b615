"""Low-rank experts one by one, each on the tokens it was chosen for: for a large total rank."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from coterie.kernels.dispatch import TokenAssignments, assign_tokens
from coterie.kernels.lora_reference import LoraCall, LoraResult, expand_to_tokens
from coterie.routing.decision import DeferredRouting


def apply_sorted_dispatch(call: LoraCall, deferred: DeferredRouting) -> LoraResult:
    """Run each expert on its assigned tokens in one autograd node; equal to `apply_reference`.

    One `nonzero` over the transposed gates gives the pairs of token and expert in the experts'
    order, however many experts each token has. Costs a host synchronisation on a GPU.
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
