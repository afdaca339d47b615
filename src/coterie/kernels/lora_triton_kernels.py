"""The kernels of `coterie.kernels.lora_triton`; the one module that imports triton.

Both work on a block of tokens. `mode` says how weights follow from logits: "softmax" (`number` is
the temperature), "rectified" (`number` is added), "top_k" and "top_k_selected" (of the softmax over
all experts, or over the k chosen).
"""

from typing import no_type_check  # Triton reads the source, which checks of shapes would wrap

# pyright: reportMissingImports=false
import triton
import triton.language as tl


@triton.jit
@no_type_check
def route(logits, columns, experts, number, mode: tl.constexpr, k: tl.constexpr):
    """Return (weights, probs) of logits [tokens, columns] in float32; 0 beyond the experts."""
    valid = columns < experts
    if mode == "rectified":
        weights = tl.where(valid, tl.maximum(logits + number, 0.0), 0.0)
        probs = weights
    else:
        scores = tl.where(valid, logits / number, float("-inf"))
        exps = tl.exp(scores - tl.max(scores, 1)[:, None])
        probs = exps / tl.sum(exps, 1)[:, None]
        weights = probs
        if mode != "softmax":
            left, chosen = scores, scores != scores
            for _ in tl.static_range(k):
                best = tl.argmax(left, 1)[:, None] == columns
                chosen = chosen | best
                left = tl.where(best, float("-inf"), left)
            weights = tl.where(chosen, probs, 0.0)
            if mode == "top_k_selected":
                weights = weights / tl.sum(weights, 1)[:, None]
    return weights, probs


@triton.jit
@no_type_check
def spread_gates(
    gates, columns, owner, experts: tl.constexpr, tokens: tl.constexpr, ranks: tl.constexpr
):
    """Return the gate of each rank's expert, [tokens, ranks]."""
    factors = tl.zeros((tokens, ranks), tl.float32)
    for expert in tl.static_range(experts):
        gate = tl.sum(tl.where(columns == expert, gates, 0.0), 1)
        factors = tl.where(owner[None, :] == expert, gate[:, None], factors)
    return factors


@triton.jit
@no_type_check
def load_block(
    shrunk, offset, owner, scale, tokens, rank: tl.constexpr, experts: tl.constexpr,
    block_rank: tl.constexpr, block_experts: tl.constexpr, block_tokens: tl.constexpr,
    has_offset: tl.constexpr,
):  # fmt: skip
    """Return (h, logits, each rank's expert, its scale), the first two in float32."""
    row = tl.program_id(0).to(tl.int64) * block_tokens + tl.arange(0, block_tokens)[:, None]
    ranks = tl.arange(0, block_rank)
    columns = tl.arange(0, block_experts)
    start = shrunk + row * (rank + experts)
    h = tl.load(start + ranks[None, :], mask=(row < tokens) & (ranks[None, :] < rank), other=0.0)
    inside = (row < tokens) & (columns[None, :] < experts)
    logits = tl.load(start + rank + columns[None, :], mask=inside, other=0.0).to(tl.float32)
    if has_offset:
        add = tl.load(offset + columns, mask=columns < experts, other=0.0).to(tl.float32)
        logits += add[None, :]
    own = tl.load(owner + ranks, mask=ranks < rank, other=-1)
    factor = tl.load(scale + ranks * 0 + own, mask=ranks < rank, other=0.0)
    return h.to(tl.float32), logits, own, factor


@triton.jit
@no_type_check
def gate_forward(
    shrunk, weighed, weights_out, probs_out, logits_out, offset, owner, scale, tokens, number,
    rank: tl.constexpr, experts: tl.constexpr, block_rank: tl.constexpr,
    block_experts: tl.constexpr, block_tokens: tl.constexpr, mode: tl.constexpr,
    k: tl.constexpr, has_offset: tl.constexpr,
):  # fmt: skip
    """Write h times gate and scale [tokens, rank], and the decision [tokens, experts]."""
    row = tl.program_id(0).to(tl.int64) * block_tokens + tl.arange(0, block_tokens)[:, None]
    ranks, columns = tl.arange(0, block_rank)[None, :], tl.arange(0, block_experts)[None, :]
    h, logits, own, factor = load_block(
        shrunk, offset, owner, scale, tokens, rank, experts, block_rank, block_experts,
        block_tokens, has_offset,
    )  # fmt: skip
    weights, probs = route(logits, columns, experts, number, mode, k)
    inside, at = (row < tokens) & (columns < experts), row * experts + columns
    tl.store(weights_out + at, weights, mask=inside)
    tl.store(probs_out + at, probs, mask=inside)
    tl.store(logits_out + at, logits, mask=inside)
    factors = spread_gates(weights, columns, own, experts, block_tokens, block_rank)
    result = h * factors * factor[None, :]
    kept = (row < tokens) & (ranks < rank)
    tl.store(weighed + row * rank + ranks, result.to(weighed.dtype.element_ty), mask=kept)


@triton.jit
@no_type_check
def gate_backward(
    shrunk, weighed, d_h, d_shrunk, offset, owner, scale, tokens, number,
    rank: tl.constexpr, experts: tl.constexpr, block_rank: tl.constexpr,
    block_experts: tl.constexpr, block_tokens: tl.constexpr, mode: tl.constexpr,
    k: tl.constexpr, has_offset: tl.constexpr,
):  # fmt: skip
    """Write h weighed again, and the gradient of h and logits, from that of the weighed h."""
    row = tl.program_id(0).to(tl.int64) * block_tokens + tl.arange(0, block_tokens)[:, None]
    ranks, columns = tl.arange(0, block_rank)[None, :], tl.arange(0, block_experts)[None, :]
    h, logits, own, factor = load_block(
        shrunk, offset, owner, scale, tokens, rank, experts, block_rank, block_experts,
        block_tokens, has_offset,
    )  # fmt: skip
    weights, probs = route(logits, columns, experts, number, mode, k)
    kept = (row < tokens) & (ranks < rank)
    factors = spread_gates(weights, columns, own, experts, block_tokens, block_rank)
    factors *= factor[None, :]
    tl.store(weighed + row * rank + ranks, (h * factors).to(weighed.dtype.element_ty), mask=kept)
    upstream = tl.load(d_h + row * rank + ranks, mask=kept, other=0.0).to(tl.float32)
    start = d_shrunk + row * (rank + experts)
    tl.store(start + ranks, (upstream * factors).to(d_shrunk.dtype.element_ty), mask=kept)
    products = upstream * h * factor[None, :]
    d_gates = tl.zeros((block_tokens, block_experts), tl.float32)
    for expert in tl.static_range(experts):
        total = tl.sum(tl.where(own[None, :] == expert, products, 0.0), 1)
        d_gates = tl.where(columns == expert, total[:, None], d_gates)
    if mode == "rectified":
        d_logits = tl.where(weights > 0, d_gates, 0.0)
    else:
        # "top_k": only chosen gates have an upstream gradient, but all scores move the softmax.
        soft = weights if mode == "top_k_selected" else probs
        d_soft = tl.where(weights > 0, d_gates, 0.0)
        d_logits = soft * (d_soft - tl.sum(soft * d_soft, 1)[:, None]) / number
    inside = (row < tokens) & (columns < experts)
    tl.store(start + rank + columns, d_logits.to(d_shrunk.dtype.element_ty), mask=inside)
