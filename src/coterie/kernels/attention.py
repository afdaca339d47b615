"""Kernels of attention experts: a reference loop, all queries at once, and chosen queries only."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from coterie.kernels.dispatch import LOCAL, Assignments, Dispatcher, TokenAssignments, assign_tokens
from coterie.kernels.mlp import write_product
from coterie.kernels.mlp_grouped import multiply_grouped

Mask = Float[Tensor, "#rows 1 #tokens #tokens"] | Bool[Tensor, "#rows 1 #tokens #tokens"]


class AttentionCall(NamedTuple):
    """One call of attention experts, with one key and value head for all of them.

    The kernels compute sum_e gates_e * output_e(softmax(query_e(x) key^T / sqrt(head)) value).
    Gates of exactly 0 get no gradient. `mask` is True where a token may be attended to, or an
    addend of the scores.
    """

    x: Float[Tensor, "rows tokens width"]
    gates: Float[Tensor, "rows tokens segments"]
    query: Float[Tensor, "segments heads head width"]
    output: Float[Tensor, "segments out heads head"]
    key: Float[Tensor, "rows tokens head"]
    value: Float[Tensor, "rows tokens head"]
    mask: Mask | None

    def get_stacks(self) -> tuple[Float[Tensor, "segments width head"], ...]:
        """Return the query and the output maps as stacks of linear maps."""
        return self.query.flatten(1, 2), self.output.flatten(2, 3)


def attend_reference(call: AttentionCall) -> Float[Tensor, "rows tokens out"]:
    """Loop over the experts."""
    x, key = call.x, call.key
    gates = _cast_gates(call)
    y = x.new_zeros(*x.shape[:2], call.output.shape[1])
    for gate, maps, back in zip(gates.unbind(-1), call.query, call.output, strict=True):
        queries = torch.einsum("rtw,ndw->rntd", x, maps.to(x.dtype))
        scores = queries @ key[:, None].transpose(2, 3) * key.shape[-1] ** -0.5
        if call.mask is not None and call.mask.dtype == torch.bool:
            scores = scores.masked_fill(~call.mask, float("-inf"))
        elif call.mask is not None:
            scores = scores + call.mask
        # float32 as in the base models: bfloat16 probabilities do not add up to 1.
        probs = scores.softmax(-1, dtype=torch.promote_types(x.dtype, torch.float32)).to(x.dtype)
        part = torch.einsum("rntd,ond->rto", probs @ call.value[:, None], back.to(x.dtype))
        y = y + gate[..., None] * part
    return y


def attend_dense(call: AttentionCall) -> Float[Tensor, "rows tokens out"]:
    """Compute `attend_reference` with the queries of all experts in one product.

    No shape depends on the gates, so it can be traced, and any number may be chosen per token.
    """
    x, query = call.x, call.query
    queries = F.linear(x, query.flatten(0, 2).to(x.dtype)).unflatten(-1, query.shape[:3])
    attended = _attend(queries.flatten(2, 3), call).view_as(queries)
    weighted = attended * _cast_gates(call)[..., None, None]
    return torch.einsum("rtsnd,sond->rto", weighted, call.output.to(x.dtype))


def attend_slots(
    call: AttentionCall, dispatcher: Dispatcher = LOCAL
) -> Float[Tensor, "rows tokens out"]:
    """Compute `attend_reference` with the queries of chosen experts only, in two autograd nodes.

    The nodes save x, the attended values and indices; rows of x are gathered one expert at a
    time. Needs the same number of chosen experts for every token, because a token's queries are
    neighbours in the attention; otherwise it is `attend_dense`.
    """
    x, flat = call.x, call.gates.flatten(0, 1)
    sorted_pairs = _sort_pairs(flat)
    if sorted_pairs is None:
        return attend_dense(call)
    slots, position, each = sorted_pairs
    order = (position, slots.tokens_per_expert, each, dispatcher)
    query, output = call.get_stacks()
    queries: Tensor = _GatherQueries.apply(x.flatten(0, 1), query, *order)
    attended = _attend_chosen(queries, each, call)
    y: Tensor = _ScatterOutputs.apply(attended, flat, output, slots.expert, *order)
    return y.unflatten(0, x.shape[:2])


def attend_grouped(call: AttentionCall) -> Float[Tensor, "rows tokens out"]:
    """Compute `attend_slots` with two grouped matrix products, for GPUs.

    Experts run side by side instead of one after another. Saves the gathered rows, too.
    """
    x, flat = call.x.flatten(0, 1), call.gates.flatten(0, 1)
    sorted_pairs = _sort_pairs(flat)
    if sorted_pairs is None:
        return attend_dense(call)
    (token, expert, counts, _), position, each = sorted_pairs
    ends = torch.tensor(counts, device=x.device).cumsum(0).int()
    query, output = (stack.transpose(1, 2) for stack in call.get_stacks())
    found = multiply_grouped(x.index_select(0, token), query, ends)
    queries = torch.empty_like(found).index_copy(0, position, found)
    attended = _attend_chosen(queries, each, call)
    gated = attended.index_select(0, position) * flat[token, expert, None].to(x.dtype)
    parts = multiply_grouped(gated, output, ends)
    y = x.new_zeros(len(x), parts.shape[1]).index_add(0, token, parts)
    return y.unflatten(0, call.x.shape[:2])


def _sort_pairs(
    gates: Float[Tensor, "tokens segments"],
) -> tuple[TokenAssignments, Int[Tensor, " slots"], int] | None:
    """Return the pairs sorted by expert, each one's place by token, and the pairs of a token.

    A token's queries are neighbours in the attention, so queries are sorted by token: a token is
    its queries' place divided by their number. None if tokens have different numbers of pairs.
    """
    chosen = gates.detach() != 0
    low, high = chosen.sum(1).aminmax()
    each = int(low)
    if each != int(high) or each == 0:
        return None
    slots = assign_tokens(gates.detach())
    return slots, slots.token * each + (chosen.cumsum(1) - 1)[slots.token, slots.expert], each


def _attend_chosen(
    queries: Float[Tensor, "slots width"], each: int, call: AttentionCall
) -> Float[Tensor, "slots width"]:
    """Compute the attention of `each` chosen experts' queries a token, sorted by token."""
    _, heads, head, _ = call.query.shape
    return _attend(queries.view(*call.x.shape[:2], each * heads, head), call).reshape(queries.shape)


def _cast_gates(call: AttentionCall) -> Float[Tensor, "rows tokens segments"]:
    """Return the gates in the dtype of x, without a gradient where they are 0."""
    return torch.where(call.gates != 0, call.gates, 0.0).to(call.x.dtype)


def _attend(
    queries: Float[Tensor, "rows tokens heads head"], call: AttentionCall
) -> Float[Tensor, "rows tokens heads head"]:
    """Compute attention of all heads over one key and value head: the heads are more queries."""
    mask = call.mask
    if mask is not None and mask.shape[2] != 1:
        mask = mask.repeat_interleave(queries.shape[2], 2)
    folded, key, value = queries.flatten(1, 2)[:, None], call.key[:, None], call.value[:, None]
    return F.scaled_dot_product_attention(folded, key, value, attn_mask=mask).reshape(queries.shape)


class _GatherQueries(torch.autograd.Function):
    """query_e(x) of every pair of a token and an expert, sorted by token, `each` pairs a token."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Float[Tensor, "tokens width"],
        maps: Float[Tensor, "segments out width"],
        position: Int[Tensor, " slots"],
        counts: list[int],
        each: int,
        dispatcher: Dispatcher,
    ) -> Float[Tensor, "slots out"]:
        tokens = Assignments(position // each, counts)
        rows = dispatcher.dispatch(x, tokens)
        parts = (part @ weight.to(x.dtype).t() for part, weight in zip(rows, maps, strict=True))
        answers = x.new_empty(len(position), maps.shape[1])
        ctx.save_for_backward(x, maps, position)
        ctx.counts, ctx.each, ctx.dispatcher = counts, each, dispatcher
        return dispatcher.combine(enumerate(parts), Assignments(position, counts, True), answers)

    @staticmethod
    @once_differentiable  # its type hides the arguments' names, which the next line's must match
    def backward(ctx: Any, dy: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, maps, position = ctx.saved_tensors
        dmaps = torch.empty_like(maps)
        tokens = Assignments(position // ctx.each, ctx.counts)
        queries = Assignments(position, ctx.counts, True)

        def run_experts() -> Iterator[tuple[int, Tensor]]:
            given = (ctx.dispatcher.dispatch(dy, queries), ctx.dispatcher.dispatch(x, tokens))
            for expert, (dpart, rows) in enumerate(zip(*given, strict=True)):
                write_product(dpart.t(), rows, dmaps[expert])
                yield expert, dpart @ maps[expert].to(x.dtype)

        dx = ctx.dispatcher.combine(run_experts(), tokens, torch.zeros_like(x))
        return dx, dmaps, None, None, None, None


class _ScatterOutputs(torch.autograd.Function):
    """The sum of gate * output_e(seen) over the pairs of every token."""

    @staticmethod
    def forward(
        ctx: Any,
        seen: Float[Tensor, "slots width"],
        gates: Float[Tensor, "tokens segments"],
        maps: Float[Tensor, "segments out width"],
        expert: Int[Tensor, " slots"],
        position: Int[Tensor, " slots"],
        counts: list[int],
        each: int,
        dispatcher: Dispatcher,
    ) -> Float[Tensor, "tokens out"]:
        slots = TokenAssignments(position // each, expert, counts)
        factors: list[Tensor] = []

        def run_experts() -> Iterator[tuple[int, Tensor]]:
            parts = dispatcher.dispatch(seen, Assignments(position, counts, True))
            flat = dispatcher.dispatch(gates.reshape(-1), slots.of_gates(gates.shape[1]))
            for e, (part, gate, weight) in enumerate(zip(parts, flat, maps, strict=True)):
                factor = gate[:, None].to(seen.dtype)
                factors.append(factor)
                yield e, (part * factor) @ weight.to(seen.dtype).t()

        y = seen.new_zeros(len(gates), maps.shape[1])
        y = dispatcher.combine(run_experts(), slots.of_tokens(), y)
        # One number a pair is saved: the gates of all experts would be mostly zeros.
        ctx.save_for_backward(seen, maps, expert, position, *factors)
        ctx.counts, ctx.each, ctx.dispatcher = counts, each, dispatcher
        ctx.gates_shape, ctx.dtype = gates.shape, gates.dtype
        return y

    @staticmethod
    @once_differentiable  # its type hides the arguments' names, which the next line's must match
    def backward(ctx: Any, dy: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        seen, maps, expert, position, *factors = ctx.saved_tensors
        dmaps = torch.empty_like(maps)
        slots = TokenAssignments(position // ctx.each, expert, ctx.counts)
        queries = Assignments(position, ctx.counts, True)
        dfactors: list[tuple[int, Tensor]] = []

        def run_experts() -> Iterator[tuple[int, Tensor]]:
            dparts = ctx.dispatcher.dispatch(dy, slots.of_tokens())
            parts = ctx.dispatcher.dispatch(seen, queries)
            for e, (dpart, part) in enumerate(zip(dparts, parts, strict=True)):
                dscaled = dpart @ maps[e].to(seen.dtype)
                write_product(dpart.t(), part * factors[e], dmaps[e])
                dfactors.append((e, (dscaled * part).sum(1).to(ctx.dtype)))
                yield e, dscaled.mul_(factors[e])

        dseen = ctx.dispatcher.combine(run_experts(), queries, torch.empty_like(seen))
        dgates = torch.zeros(ctx.gates_shape.numel(), dtype=ctx.dtype, device=dy.device)
        numbers = slots.of_gates(ctx.gates_shape[1])
        dgates = ctx.dispatcher.combine(dfactors, numbers, dgates).view(ctx.gates_shape)
        return dseen, dgates, dmaps, None, None, None, None, None
