"""Triton kernel that multiplies a low-rank product by the experts' gates and expands it."""

from functools import cache
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from coterie.kernels.dispatch import TokenGates

BLOCK_TOKENS, BLOCK_OUT, BLOCK_RANK = 64, 64, 32
Outputs = Float[Tensor, "tokens out"]
LowRank = Float[Tensor, "tokens rank"]
Segments = Int[Tensor, " rank"]
UpMaps = Float[Tensor, "rank out"]


def expand_gated_reference(
    y: Outputs, h: LowRank, gates: TokenGates, segment_of_rank: Segments, up: UpMaps
) -> Outputs:
    """Compute y += (h * gates[:, segment_of_rank]) @ up, in place, and return y; without autograd.

    `segment_of_rank` is the expert of each rank column; ranks may differ and need no order.
    """
    return y.addmm_(h * gates.to(h.dtype).index_select(1, segment_of_rank), up)


@torch.no_grad()
def expand_gated_triton(
    y: Outputs, h: LowRank, gates: TokenGates, segment_of_rank: Segments, up: UpMaps
) -> Outputs:
    """Compute `expand_gated_reference` in one kernel on a CUDA device; sums in float32.

    Rows of y may be strided.
    """
    if y.stride(1) != 1:
        raise ValueError(f"gate_expand writes rows of y in place; got strides {y.stride()}.")
    (tokens, out), rank = y.shape, h.shape[1]
    if tokens == 0:
        return y
    grid = (-(-tokens // BLOCK_TOKENS), -(-out // BLOCK_OUT))
    _get_kernel()[grid](
        *(y, h.contiguous(), gates.contiguous(), segment_of_rank.to(torch.int32), up.contiguous()),
        *(tokens, out, rank, gates.shape[1], y.stride(0)),
        # bfloat16 is exact in tf32, float32 is not.
        "ieee" if h.dtype == torch.float32 else "tf32",
        *(BLOCK_TOKENS, BLOCK_OUT, BLOCK_RANK),
    )
    return y


@cache
def _get_kernel() -> Any:
    # Triton looks `tl` up in the module's globals, and is not installed on every machine.
    global tl
    import triton
    import triton.language as tl

    @triton.jit
    def expand_add(
        y, h, gates, segment_of_rank, up, tokens, out, rank, segments, stride,
        precision: tl.constexpr, block_tokens: tl.constexpr, block_out: tl.constexpr,
        block_rank: tl.constexpr,
    ):  # fmt: skip
        # 64 bits: tokens * out can pass 2^31.
        row = tl.program_id(0).to(tl.int64) * block_tokens + tl.arange(0, block_tokens)[:, None]
        column = tl.program_id(1) * block_out + tl.arange(0, block_out)[None, :]
        total = tl.zeros((block_tokens, block_out), tl.float32)
        for start in range(0, rank, block_rank):
            ranks = start + tl.arange(0, block_rank)
            segment = tl.load(segment_of_rank + ranks, mask=ranks < rank, other=0)
            here = (row < tokens) & (ranks[None, :] < rank)
            low = tl.load(h + row * rank + ranks[None, :], mask=here, other=0.0)
            gate = tl.load(gates + row * segments + segment[None, :], mask=here, other=0.0)
            there = (ranks[:, None] < rank) & (column < out)
            part = tl.load(up + ranks[:, None] * out + column, mask=there, other=0.0)
            # The interpreter's dot is wrong in bfloat16, and the sum is in float32 anyway.
            weighed = low.to(tl.float32) * gate.to(tl.float32)
            total += tl.dot(weighed, part.to(tl.float32), input_precision=precision)
        inside = (row < tokens) & (column < out)
        place = y + row * stride + column
        old = tl.load(place, mask=inside, other=0.0).to(tl.float32)
        tl.store(place, (old + total).to(y.dtype.element_ty), mask=inside)

    return expand_add
