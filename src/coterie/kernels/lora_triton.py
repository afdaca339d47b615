"""Low-rank experts routed by token with two Triton kernels between the matrix products.

`apply_fused` launches some 40 operations a layer and step; a GPU computes most of them faster than
a CPU launches them. Here are 18: the products, the casts of the weights, and one kernel each for
what lies between the shrink and the expand product forward and backward.
"""

from functools import cache
from importlib.util import find_spec
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from coterie.kernels.lora_fused import apply_fused, compute_logits_gradient
from coterie.kernels.lora_reference import LoraCall, LoraResult, RankLayout
from coterie.routing.decision import (
    DeferredRouting,
    KernelRouter,
    RoutingDecision,
    to_full_precision,
)

MAX_EXPERTS, MAX_RANK = 32, 512
BLOCK_NUMBERS = 4096
"""A program keeps a few blocks of [tokens, rank] of this size in registers."""


def supports_triton(call: LoraCall, deferred: DeferredRouting) -> bool:
    """Return whether `apply_triton` has kernels for this call."""
    rank, experts = sum(call.layout.ranks), len(call.layout.ranks)
    return (
        call.x.is_cuda
        and call.x.dtype != torch.float64  # the kernels compute in float32
        and deferred.kernel_router is not None
        and deferred.gate_weight is not None
        and len(deferred.gate_weight) == experts  # none without weights
        and call.tokens_per_unit == 1
        and experts <= MAX_EXPERTS
        and rank <= MAX_RANK
        and find_spec("triton") is not None
    )


def apply_triton(call: LoraCall, deferred: DeferredRouting) -> LoraResult:
    """Compute `apply_fused` with the Triton kernels, or without them where they do not apply."""
    if not supports_triton(call, deferred):
        return apply_fused(call, deferred)
    return apply_kernels(call, deferred)


def apply_kernels(call: LoraCall, deferred: DeferredRouting) -> LoraResult:
    """Compute `apply_fused` for token gates with a router that has `kernel_router`."""
    gate = (deferred.gate_weight, deferred.gate_bias)
    out, *decision = _FusedTriton.apply(call, deferred, call.x, call.down, call.up, *gate)
    weights, probs, logits = decision
    return call.add_base_output(out), RoutingDecision(weights, probs, weights, logits)


class _FusedTriton(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        call: LoraCall,
        deferred: DeferredRouting,
        x: Tensor,
        down: Tensor,
        up: Tensor,
        rows: Tensor,
        offset: Tensor | None,
    ) -> tuple[Tensor, ...]:
        shrunk = F.linear(x, torch.cat((down, rows)).to(x.dtype))
        weighed, *decision = gate_forward(shrunk, offset, call.layout, deferred.kernel_router)
        out = call.start_output().addmm_(weighed, up.to(x.dtype))
        ctx.save_for_backward(x, call.weight, down, up, rows, offset, shrunk)
        ctx.layout, ctx.router = call.layout, deferred.kernel_router
        ctx.decide = deferred.make_decision
        ctx.set_materialize_grads(False)
        return (out, *decision)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        x, weight, down, up, rows, offset, shrunk = ctx.saved_tensors
        d_out, *d_decision = grads
        rank, has_loss = len(down), any(each is not None for each in d_decision)
        d_x = d_up = None
        if d_out is None:
            d_shrunk = torch.zeros_like(shrunk)
        else:
            d_h = d_out @ up.to(x.dtype).t()
            weighed, d_shrunk = gate_backward(shrunk, d_h, offset, ctx.layout, ctx.router)
            d_up = (weighed.t() @ d_out).to(up.dtype)
        if has_loss:
            logits = to_full_precision(shrunk[:, rank:])
            leaf = (logits if offset is None else logits + offset).detach().requires_grad_()
            with torch.enable_grad():
                decision = ctx.decide(leaf)
            d_weights, d_probs, d_logits = d_decision
            parts = (d_weights, d_probs, None, d_logits)
            extra = compute_logits_gradient(decision, leaf, *parts)
            assert extra is not None
            d_shrunk[:, rank:] += extra
        d_stack = (d_shrunk.t() @ x).to(down.dtype)
        if ctx.needs_input_grad[2]:
            stack = torch.cat((down, rows)).to(x.dtype)
            if weight is None or d_out is None:
                d_x = d_shrunk @ stack
            else:
                d_x = (d_out @ weight).addmm_(d_shrunk, stack)
        d_offset = None if offset is None else d_shrunk[:, rank:].sum(0, dtype=offset.dtype)
        return None, None, d_x, d_stack[:rank], d_up, d_stack[rank:], d_offset


def gate_forward(
    shrunk: Tensor, offset: Tensor | None, layout: RankLayout, router: KernelRouter | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return (h weighed by the gates and scales [tokens, rank], weights, probs, logits).

    `shrunk` is [tokens, rank + experts]: h, and the gate's logits without their offset.
    """
    tokens, experts = len(shrunk), len(layout.ranks)
    weighed = shrunk.new_empty(tokens, shrunk.shape[1] - experts)
    weights, probs, logits = (
        torch.empty(tokens, experts, dtype=torch.float32, device=shrunk.device) for _ in range(3)
    )
    _launch("forward", shrunk, weighed, (weights, probs, logits), offset, layout, router)
    return weighed, weights, probs, logits


def gate_backward(
    shrunk: Tensor, d_h: Tensor, offset: Tensor | None, layout: RankLayout, router: KernelRouter
) -> tuple[Tensor, Tensor]:
    """Return (h weighed as in `gate_forward`, the gradient of `shrunk`)."""
    weighed, d_shrunk = torch.empty_like(d_h), torch.empty_like(shrunk)
    _launch("backward", shrunk, weighed, (d_h, d_shrunk), offset, layout, router)
    return weighed, d_shrunk


def _launch(
    direction: str, shrunk: Tensor, weighed: Tensor, tensors: tuple[Tensor, ...],
    offset: Tensor | None, layout: RankLayout, router: KernelRouter | None,
) -> None:  # fmt: skip
    tokens, experts = len(shrunk), len(layout.ranks)
    if tokens == 0:
        return
    assert router is not None
    mode, number, k = router
    block_rank = _next_power(weighed.shape[1])
    block_tokens = max(4, min(32, BLOCK_NUMBERS // block_rank))
    _get_kernels()[direction][(-(-tokens // block_tokens),)](
        *(shrunk.contiguous(), weighed, *tensors),
        shrunk if offset is None else offset,
        *(layout.get_expert_of_rank(shrunk), layout.get_scales(shrunk, torch.float32)),
        *(tokens, number, weighed.shape[1], experts, block_rank),
        *(_next_power(experts), block_tokens, mode, k, offset is not None),
    )


def _next_power(size: int) -> int:
    return max(2, 1 << (size - 1).bit_length())


@cache
def _get_kernels() -> dict[str, Any]:
    from coterie.kernels import lora_triton_kernels as kernels

    return {"forward": kernels.gate_forward, "backward": kernels.gate_backward}
