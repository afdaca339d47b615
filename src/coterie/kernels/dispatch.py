"""Expert dispatch: moves tokens to the experts chosen for them, and the experts' outputs back."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor

TokenGates = Float[Tensor, "tokens segments"]
Rows = Float[Tensor, "rows ..."]
ExpertParts = Iterable[tuple[int, Float[Tensor, "..."]]]
Counts = tuple[tuple[int, ...], ...]
"""Pairs that each process, in rank order, has for each expert of this one."""


class Assignments(NamedTuple):
    """Pairs of a row and an expert chosen for it, sorted by expert and then by row.

    `counts` are the pairs of each expert; `is_unique` if no row is in two pairs; `received` as in
    `TokenAssignments`.
    """

    row: Int[Tensor, " slots"]
    counts: list[int]
    is_unique: bool = False
    received: Counts = ()


class TokenAssignments(NamedTuple):
    """The token and the expert of every gate that is not 0, sorted by expert and then by token.

    `received` is for a dispatcher over several processes, which has exchanged these counts; empty
    if all experts are in this process.
    """

    token: Int[Tensor, " slots"]
    expert: Int[Tensor, " slots"]
    tokens_per_expert: list[int]
    received: Counts = ()

    def of_tokens(self) -> Assignments:
        """Return the assignments of rows of [tokens, ...]."""
        return Assignments(self.token, self.tokens_per_expert, received=self.received)

    def of_gates(self, num_experts: int) -> Assignments:
        """Return the assignments of the numbers in [tokens, num_experts], flattened to one axis."""
        row = self.token * num_experts + self.expert
        return Assignments(row, self.tokens_per_expert, is_unique=True, received=self.received)


def assign_tokens(gates: TokenGates) -> TokenAssignments:
    """Return the assignments of all gates except those of exactly 0, any number per token.

    Waits for a GPU, because the counts are read on the CPU.
    """
    pairs = gates.t().nonzero()
    return TokenAssignments(pairs[:, 1], pairs[:, 0], (gates != 0).sum(0).tolist())


class Dispatcher(ABC):
    """An exchange of rows between tokens and experts; every expert layer has one.

    `dispatch` and `combine` are each other's adjoint: a backward dispatches the outputs' gradient
    and combines that of x. Kernels take the number of experts and of rows from what `dispatch`
    yields, so that an implementation may move rows to the process that holds an expert (all-to-all)
    and yield only for the experts of this process. Source of the interface: V-MoE (Riquelme et al.
    2021, arXiv:2106.05974), whose dispatchers have these two methods.
    """

    def assign(self, gates: TokenGates) -> TokenAssignments:
        """Return `assign_tokens` with what else this dispatcher needs to know of the gates."""
        return assign_tokens(gates)

    def get_local(self, stack: Float[Tensor, "experts ..."]) -> Float[Tensor, "segments ..."]:
        """Return the part of stacked weights that belongs to the experts of this process."""
        return stack

    @abstractmethod
    def dispatch(self, rows: Rows, assignments: Assignments) -> Iterable[Float[Tensor, "..."]]:
        """Return for each expert, in order, the rows assigned to it, [slots, ...], if any."""

    def dispatch_gated(
        self, x: Rows, gates: TokenGates, slots: TokenAssignments
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Return for each expert its rows of x, and their gates in the dtype of x."""
        flat = self.dispatch(gates.reshape(-1).to(x.dtype), slots.of_gates(gates.shape[1]))
        return zip(self.dispatch(x, slots.of_tokens()), flat, strict=True)

    @abstractmethod
    def combine(self, parts: ExpertParts, assignments: Assignments, out: Rows) -> Rows:
        """Add experts' rows to the rows of `out` that `assignments` took them from; return `out`.

        Args:
            parts: the position of an expert in what `dispatch` yielded, and its rows in that
                order, [slots, ...]; an expert may come several times, or never.
            out: with `assignments.is_unique` it is overwritten, so that it need not be initialised
                if every row is assigned.
        """


class LocalDispatcher(Dispatcher):
    """A dispatcher for experts that are all in this process; it handles one expert at a time."""

    def dispatch(self, rows: Rows, assignments: Assignments) -> Iterator[Float[Tensor, "..."]]:
        for row in assignments.row.split(assignments.counts):
            yield rows.index_select(0, row)

    def combine(self, parts: ExpertParts, assignments: Assignments, out: Rows) -> Rows:
        by_expert = assignments.row.split(assignments.counts)
        write = out.index_copy_ if assignments.is_unique else out.index_add_
        for expert, part in parts:
            write(0, by_expert[expert], part)
        return out


LOCAL = LocalDispatcher()
