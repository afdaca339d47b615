"""Attention experts that differ in queries and outputs: plain, all queries at once, by slot."""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from coterie.kernels.mlp import assign_tokens

Mask = Float[Tensor, "#rows 1 #tokens #tokens"] | Bool[Tensor, "#rows 1 #tokens #tokens"]


def attend_reference(
    x: Float[Tensor, "rows tokens width"],
    gates: Float[Tensor, "rows tokens segments"],
    query: Float[Tensor, "segments heads head width"],
    output: Float[Tensor, "segments out heads head"],
    key: Float[Tensor, "rows tokens head"],
    value: Float[Tensor, "rows tokens head"],
    mask: Mask | None,
) -> Float[Tensor, "rows tokens out"]:
    """sum_e gates_e * output_e(softmax(query_e(x) key^T / sqrt(head)) value), one after another.

    Gates of exactly 0 get no gradient, as in the other forms.

    Args:
        key: one for all experts and heads, as is `value`.
        mask: True where a token may be seen, or what is added to the scores.
    """
    gates = torch.where(gates != 0, gates, 0.0).to(x.dtype)
    y = x.new_zeros(*x.shape[:2], output.shape[1])
    for gate, maps, back in zip(gates.unbind(-1), query, output, strict=True):
        queries = torch.einsum("rtw,ndw->rntd", x, maps.to(x.dtype))
        scores = queries @ key[:, None].transpose(2, 3) * key.shape[-1] ** -0.5
        if mask is not None and mask.dtype == torch.bool:
            scores = scores.masked_fill(~mask, float("-inf"))
        elif mask is not None:
            scores = scores + mask
        # float32 as in the hosts: bfloat16 probabilities do not add up to 1.
        seen = scores.softmax(-1, dtype=torch.promote_types(x.dtype, torch.float32)).to(x.dtype)
        part = torch.einsum("rntd,ond->rto", seen @ value[:, None], back.to(x.dtype))
        y = y + gate[..., None] * part
    return y


def attend_dense(
    x: Float[Tensor, "rows tokens width"],
    gates: Float[Tensor, "rows tokens segments"],
    query: Float[Tensor, "segments heads head width"],
    output: Float[Tensor, "segments out heads head"],
    key: Float[Tensor, "rows tokens head"],
    value: Float[Tensor, "rows tokens head"],
    mask: Mask | None,
) -> Float[Tensor, "rows tokens out"]:
    """`attend_reference` with the queries of all experts in one product, chosen or not.

    No shape depends on the gates, so it can be traced, and any number may be chosen per token.
    """
    gates = torch.where(gates != 0, gates, 0.0).to(x.dtype)
    queries = F.linear(x, query.flatten(0, 2).to(x.dtype)).unflatten(-1, query.shape[:3])
    seen = _attend(queries.flatten(2, 3), key, value, mask).view_as(queries)
    return torch.einsum("rtsnd,sond->rto", seen * gates[..., None, None], output.to(x.dtype))


def attend_slots(
    x: Float[Tensor, "rows tokens width"],
    gates: Float[Tensor, "rows tokens segments"],
    query: Float[Tensor, "segments heads head width"],
    output: Float[Tensor, "segments out heads head"],
    key: Float[Tensor, "rows tokens head"],
    value: Float[Tensor, "rows tokens head"],
    mask: Mask | None,
) -> Float[Tensor, "rows tokens out"]:
    """`attend_reference` with the queries of chosen experts only, in two autograd nodes.

    The nodes keep x, the attended values and indices; rows of x are gathered one expert at a
    time. Needs the same number of chosen experts for every token, because a token's queries stand
    beside each other in the attention; otherwise it is `attend_dense`.
    """
    flat = gates.flatten(0, 1)
    chosen = flat.detach() != 0
    low, high = chosen.sum(1).aminmax()
    each = int(low)
    if each != int(high) or each == 0:
        return attend_dense(x, gates, query, output, key, value, mask)
    slots = assign_tokens(flat.detach())
    # Slots are sorted by expert; their place is in the order of tokens, so that a token is its
    # slots' place divided by their number, and only the place need be kept.
    place = slots.token * each + (chosen.cumsum(1) - 1)[slots.token, slots.expert]
    order = SlotOrder(place, slots.tokens_per_expert, each)
    queries: Tensor = _GatherQueries.apply(x.flatten(0, 1), query.flatten(1, 2), *order)
    heads = queries.view(*x.shape[:2], each * query.shape[1], query.shape[2])
    seen = _attend(heads, key, value, mask).reshape(queries.shape)
    y: Tensor = _ScatterOutputs.apply(seen, flat, output.flatten(2, 3), *order)
    return y.unflatten(0, x.shape[:2])


def _attend(
    queries: Float[Tensor, "rows tokens heads head"],
    key: Float[Tensor, "rows tokens head"],
    value: Float[Tensor, "rows tokens head"],
    mask: Mask | None,
) -> Float[Tensor, "rows tokens heads head"]:
    """Attention of all heads over one key and value head: the heads are more queries."""
    if mask is not None and mask.shape[2] != 1:
        mask = mask.repeat_interleave(queries.shape[2], 2)
    folded = queries.flatten(1, 2)[:, None]
    seen = F.scaled_dot_product_attention(folded, key[:, None], value[:, None], attn_mask=mask)
    return seen.reshape(queries.shape)


class SlotOrder(NamedTuple):
    """Where the answers of all slots stand, sorted by expert; `each` slots belong to a token."""

    slot: Int[Tensor, " slots"]
    counts: list[int]
    slots_per_token: int

    def split_by_expert(self, maps: Tensor) -> list[tuple[Tensor, Tensor, Tensor]]:
        """(its map, its tokens, their places) of each expert."""
        places = self.slot.split(self.counts)
        tokens = [each // self.slots_per_token for each in places]
        return list(zip(maps, tokens, places, strict=True))


class _GatherQueries(torch.autograd.Function):
    """query_e(x) of every slot."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Float[Tensor, "tokens width"],
        maps: Float[Tensor, "segments out width"],
        place: Int[Tensor, " slots"],
        counts: list[int],
        each: int,
    ) -> Float[Tensor, "slots out"]:
        answers = x.new_empty(len(place), maps.shape[1])
        for weight, token, at in SlotOrder(place, counts, each).split_by_expert(maps):
            answers.index_copy_(0, at, x.index_select(0, token) @ weight.to(x.dtype).t())
        ctx.save_for_backward(x, maps, place)
        ctx.counts, ctx.each = counts, each
        return answers

    @staticmethod
    @once_differentiable  # its type hides the arguments' names, which the next line's must match
    def backward(ctx: Any, dy: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, maps, place = ctx.saved_tensors
        dx, dmaps = torch.zeros_like(x), torch.empty_like(maps)
        order = SlotOrder(place, ctx.counts, ctx.each)
        for stored, (weight, mine, at) in zip(dmaps, order.split_by_expert(maps), strict=True):
            dpart = dy.index_select(0, at)
            _matmul_into(dpart.t(), x.index_select(0, mine), stored)
            dx.index_add_(0, mine, dpart @ weight.to(x.dtype))
        return dx, dmaps, None, None, None


class _ScatterOutputs(torch.autograd.Function):
    """The sum of gate * output_e(seen) of every token's slots."""

    @staticmethod
    def forward(
        ctx: Any,
        seen: Float[Tensor, "slots width"],
        gates: Float[Tensor, "tokens segments"],
        maps: Float[Tensor, "segments out width"],
        place: Int[Tensor, " slots"],
        counts: list[int],
        each: int,
    ) -> Float[Tensor, "tokens out"]:
        y = seen.new_zeros(len(gates), maps.shape[1])
        factors = []
        experts = SlotOrder(place, counts, each).split_by_expert(maps)
        for gate, (weight, token, at) in zip(gates.unbind(1), experts, strict=True):
            factor = gate.index_select(0, token)[:, None].to(seen.dtype)
            y.index_add_(0, token, (seen.index_select(0, at) * factor) @ weight.to(seen.dtype).t())
            factors.append(factor)
        # A number a slot: the gates of all experts would be mostly zeros.
        ctx.save_for_backward(seen, torch.cat(factors), maps, place)
        ctx.counts, ctx.each, ctx.num_gates, ctx.dtype = counts, each, gates.shape[1], gates.dtype
        return y

    @staticmethod
    @once_differentiable  # its type hides the arguments' names, which the next line's must match
    def backward(ctx: Any, dy: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        seen, factors, maps, place = ctx.saved_tensors
        dseen, dmaps = torch.empty_like(seen), torch.empty_like(maps)
        dgates = torch.zeros(len(dy), ctx.num_gates, dtype=ctx.dtype, device=dy.device)
        order = SlotOrder(place, ctx.counts, ctx.each)
        experts = zip(order.split_by_expert(maps), factors.split(ctx.counts), strict=True)
        for e, ((weight, mine, at), factor) in enumerate(experts):
            dpart, part = dy.index_select(0, mine), seen.index_select(0, at)
            dscaled = dpart @ weight.to(seen.dtype)
            _matmul_into(dpart.t(), part * factor, dmaps[e])
            dgates[mine, e] = (dscaled * part).sum(1).to(dgates.dtype)
            dseen.index_copy_(0, at, dscaled.mul_(factor))
        return dseen, dgates, dmaps, None, None, None


def _matmul_into(left: Tensor, right: Tensor, into: Tensor) -> None:
    """`left @ right`, written where it belongs without a copy if the dtypes allow."""
    if left.dtype == into.dtype:
        torch.mm(left, right, out=into)
    else:
        into.copy_(left @ right)
