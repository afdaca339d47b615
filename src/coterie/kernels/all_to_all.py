"""`AllToAllDispatcher`: sends tokens to experts that several processes hold in parts."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, distributed

from coterie.kernels.dispatch import (
    Assignments,
    Dispatcher,
    ExpertParts,
    Rows,
    TokenAssignments,
    TokenGates,
    assign_tokens,
)

Group = Any
"""A process group of torch.distributed, whose classes differ between its builds."""


class AllToAllDispatcher(Dispatcher):
    """A dispatcher for experts that the processes of a group hold in equal parts, in rank order.

    Each process sends the rows of its tokens to the processes of their experts, in one all-to-all
    a call whose split sizes `assign` has exchanged, and gets the outputs back in another. Rows of
    an expert are in the order of ranks, then of tokens: that of one process with the ranks' batches
    one after the other. A token with two experts in one process is sent there twice.

    Every process of the group must make the same calls in the same order. Differentiable, with the
    reverse exchange as the gradient. The form is that of GShard (Lepikhin et al. 2020,
    arXiv:2006.16668, section 3.2), without its capacity: no token is dropped.
    """

    def __init__(self, group: Group) -> None:
        self.group, self.size = group, distributed.get_world_size(group)

    def assign(self, gates: TokenGates) -> TokenAssignments:
        """Return the assignments, with the counts of the other processes for the experts here."""
        found = assign_tokens(gates)
        sent = torch.tensor(found.tokens_per_expert, device=gates.device)
        received = torch.empty_like(sent)
        distributed.all_to_all_single(received, sent, group=self.group)
        counts = received.view(self.size, -1).tolist()
        return found._replace(received=tuple(map(tuple, counts)))

    def get_local(self, stack: Float[Tensor, "experts ..."]) -> Float[Tensor, "segments ..."]:
        local: Any = stack  # a DTensor, sharded along its first axis
        return local.to_local()

    def dispatch(self, rows: Rows, assignments: Assignments) -> Iterator[Float[Tensor, "..."]]:
        given = rows.index_select(0, assignments.row)
        sent, received = self._compute_sizes(assignments)
        parts = _Exchange.apply(given, sent, received, self.group)
        by_rank = parts.split(list(chain(*assignments.received)))
        num_experts = len(assignments.received[0])
        return (torch.cat(by_rank[expert::num_experts]) for expert in range(num_experts))

    def combine(self, parts: ExpertParts, assignments: Assignments, out: Rows) -> Rows:
        by_expert: dict[int, Tensor] = {}
        for expert, part in parts:
            by_expert[expert] = by_expert[expert] + part if expert in by_expert else part
        by_rank = [
            by_expert.get(expert, out.new_zeros((sum(counts), *out.shape[1:]))).split(counts)
            for expert, counts in enumerate(zip(*assignments.received, strict=True))
        ]
        given = torch.cat([part for each in zip(*by_rank, strict=True) for part in each])
        sent, received = self._compute_sizes(assignments)
        found = _Exchange.apply(given, received, sent, self.group)
        write = out.index_copy_ if assignments.is_unique else out.index_add_
        return write(0, assignments.row, found)

    def _compute_sizes(self, assignments: Assignments) -> tuple[list[int], list[int]]:
        """Return the rows that are sent to and received from each process in `dispatch`."""
        counts = assignments.counts
        num_experts = len(counts) // self.size
        sent = [sum(counts[i : i + num_experts]) for i in range(0, len(counts), num_experts)]
        return sent, [sum(each) for each in assignments.received]


class _Exchange(torch.autograd.Function):
    """Send each process its rows and receive those that it sends; sizes are in rank order."""

    @staticmethod
    def forward(
        ctx: Any, rows: Rows, sent: Sequence[int], received: Sequence[int], group: Group
    ) -> Float[Tensor, "..."]:
        ctx.exchanged = sent, received, group
        out = rows.new_empty((sum(received), *rows.shape[1:]))
        # Gloo and NCCL take unequal and empty parts in this form alone, torch 2.13.
        distributed.all_to_all_single(out, rows.contiguous(), received, sent, group=group)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        sent, received, group = ctx.exchanged
        return _Exchange.apply(gradient, received, sent, group), None, None, None
