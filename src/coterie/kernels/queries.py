"""Attention experts that differ in queries and outputs: plain, all queries at once, by slot."""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from coterie.kernels.ffn import Slots, chosen_slots

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
    counts = chosen.sum(1).unique().tolist()
    if len(counts) != 1 or counts[0] == 0:
        return attend_dense(x, gates, query, output, key, value, mask)
    slots = chosen_slots(flat.detach())
    # Slots are sorted by expert; their place is in the order of tokens.
    place = slots.token * counts[0] + (chosen.cumsum(1) - 1)[slots.token, slots.segment]
    queries: Tensor = _Gather.apply(x.flatten(0, 1), query.flatten(1, 2), slots, place)
    heads = queries.view(*x.shape[:2], counts[0] * query.shape[1], query.shape[2])
    seen = _attend(heads, key, value, mask).reshape(queries.shape)
    y: Tensor = _Scatter.apply(seen, flat, output.flatten(2, 3), slots, place)
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


class _Gather(torch.autograd.Function):
    """query_e(x) of every slot; `place` is where each slot's answer stands."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Float[Tensor, "tokens width"],
        maps: Float[Tensor, "segments out width"],
        slots: Slots,
        place: Int[Tensor, " slots"],
    ) -> Float[Tensor, "slots out"]:
        answers = x.new_empty(len(place), maps.shape[1])
        for weight, token, at in _by_expert(maps, slots, place):
            answers.index_copy_(0, at, x.index_select(0, token) @ weight.to(x.dtype).t())
        ctx.save_for_backward(x, maps, slots.token, slots.segment, place)
        ctx.counts = slots.counts
        return answers

    @staticmethod
    @once_differentiable  # its type hides the arguments' names, which the next line's must match
    def backward(ctx: Any, dy: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, maps, token, segment, place = ctx.saved_tensors
        dx, dmaps = torch.zeros_like(x), torch.empty_like(maps)
        slots = Slots(token, segment, ctx.counts)
        for stored, (weight, mine, at) in zip(dmaps, _by_expert(maps, slots, place), strict=True):
            dpart = dy.index_select(0, at)
            stored.copy_(dpart.t() @ x.index_select(0, mine))
            dx.index_add_(0, mine, dpart @ weight.to(x.dtype))
        return dx, dmaps, None, None


class _Scatter(torch.autograd.Function):
    """The sum of gate * output_e(seen) of every token's slots."""

    @staticmethod
    def forward(
        ctx: Any,
        seen: Float[Tensor, "slots width"],
        gates: Float[Tensor, "tokens segments"],
        maps: Float[Tensor, "segments out width"],
        slots: Slots,
        place: Int[Tensor, " slots"],
    ) -> Float[Tensor, "tokens out"]:
        y = seen.new_zeros(len(gates), maps.shape[1])
        gate = gates[slots.token, slots.segment, None].to(seen.dtype)
        gate_of = iter(gate.split(slots.counts))
        for weight, token, at in _by_expert(maps, slots, place):
            scaled = seen.index_select(0, at) * next(gate_of)
            y.index_add_(0, token, scaled @ weight.to(seen.dtype).t())
        ctx.save_for_backward(seen, gates, gate, maps, slots.token, slots.segment, place)
        ctx.counts = slots.counts
        return y

    @staticmethod
    @once_differentiable  # its type hides the arguments' names, which the next line's must match
    def backward(ctx: Any, dy: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        seen, gates, gate, maps, token, segment, place = ctx.saved_tensors
        slots = Slots(token, segment, ctx.counts)
        dseen, dgate, dmaps = (torch.empty_like(tensor) for tensor in (seen, gate, maps))
        experts = zip(
            _by_expert(maps, slots, place),
            gate.split(ctx.counts),
            dgate.split(ctx.counts),
            dmaps,
            strict=True,
        )
        for (weight, mine, at), factor, dfactor, stored in experts:
            dpart, part = dy.index_select(0, mine), seen.index_select(0, at)
            dscaled = dpart @ weight.to(seen.dtype)
            stored.copy_(dpart.t() @ (part * factor))
            dfactor.copy_((dscaled * part).sum(1, keepdim=True))
            dseen.index_copy_(0, at, dscaled.mul_(factor))
        dgates = torch.zeros_like(gates)
        dgates[token, segment] = dgate[:, 0].to(gates.dtype)
        return dseen, dgates, dmaps, None, None


def _by_expert(maps: Tensor, slots: Slots, place: Tensor) -> list[tuple[Tensor, Tensor, Tensor]]:
    """(its map, its tokens, their places) of each expert."""
    tokens, places = slots.token.split(slots.counts), place.split(slots.counts)
    return list(zip(maps, tokens, places, strict=True))
