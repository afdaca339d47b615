"""Views on frozen older LoRA experts, beside new ones (PathWeave: Yu et al. 2024, 2410.20178)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from coterie.experts.base import (
    ExpertLayer,
    Experts,
    LowRankFactors,
    get_linear_shape,
    init_down,
    refuse_shared,
)
from coterie.experts.lora import Lora, run_low_rank
from coterie.routing.decision import DeferredRouting, RoutingDecision


@dataclass(frozen=True, kw_only=True)
class Bridge(Experts):
    """Experts of new tasks: each older LoRA with a trained matrix in it, and new LoRAs.

    PathWeave's cross-modal adapter of an older one (A_j, B_j) of rank r is
    scale_j * B_j (F_j (A_j x)), with A_j and B_j frozen, and F_j, r x r, trained. The older ones
    are those of the adapter's mixtures that are at the module already, for other tasks; without
    them this is `Lora`. Departs: F_j starts as the identity, so as the old function (the released
    code's starts at random); there are no biases.

    Attributes:
        ranks, alpha, dropout, kernel: of the new experts, as in `Lora`; the last two of all.
        older_ranks: the ranks of all older experts, an always-on one too, in the order of their
            mixtures. `coterie.add_tasks` sets it.
        older_factors: the constant factor of each one's output beside its own scale and the gate's
            weight; empty for 1 each. `coterie.add_tasks` sets it so that the experts' sum is, at
            the gate's first weights, what the older ones' was.
    """

    attaches_to: ClassVar[Literal["linears", "block"]] = "linears"
    is_low_rank: ClassVar[bool] = True
    ranks: tuple[int, ...] = (8,)
    alpha: float = 16.0
    dropout: float = 0.0
    kernel: Literal[
        "auto", "reference", "concatenated", "fused", "triton", "sorted_dispatch", "per_sample",
        "merged",
    ] = "auto"  # fmt: skip
    older_ranks: tuple[int, ...] = ()
    older_factors: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name in ("ranks", "older_ranks", "older_factors"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        _ = self.new  # its values are checked there
        if any(rank < 1 for rank in self.older_ranks):
            raise ValueError(f"Bridge(older_ranks={self.older_ranks}): each is at least 1")
        if len(self.older_factors) not in (0, len(self.older_ranks)):
            raise ValueError(
                f"Bridge(older_factors={self.older_factors}): give one for each of the "
                f"{len(self.older_ranks)} older_ranks, or none"
            )

    @property
    def new(self) -> Lora:
        """The new experts alone."""
        return Lora(ranks=self.ranks, alpha=self.alpha, dropout=self.dropout, kernel=self.kernel)

    @property
    def count(self) -> int:
        return len(self.older_ranks) + len(self.ranks)

    @property
    def num_rows(self) -> int:
        return sum(self.ranks)

    def get_names(self) -> list[str]:
        older = [f"bridge {number + 1}" for number in range(len(self.older_ranks))]
        return [*older, *self.new.get_names()]

    def get_ranks(self) -> tuple[int, ...]:
        return (*self.older_ranks, *self.ranks)

    def count_parameters(self, layer: nn.Module, shared: Experts | None) -> list[int]:
        """Count those of the layer; the older experts' own are their mixtures'."""
        assert isinstance(layer, BridgeLayer)
        per_rank = layer.down.shape[1] + layer.up.shape[1]
        older = [bridge.numel() for bridge in layer.bridges]
        return [*older, *(rank * per_rank for rank in self.ranks)]

    def make_single(self) -> "Bridge":
        return replace(self, ranks=self.ranks[:1], older_ranks=(), older_factors=())

    def find_copy_problem(self, shared: Experts | None) -> str | None:
        return "its older experts have weights of their own, which copies would not"

    def get_low_rank_factors(self, layer: nn.Module) -> LowRankFactors:
        assert isinstance(layer, BridgeLayer)
        return layer.compute_factors()

    def get_own_factors(self, layer: nn.Module) -> LowRankFactors:
        assert isinstance(layer, BridgeLayer)
        return LowRankFactors(self.ranks, layer.new.scales, layer.down, layer.up)

    def build(self, base_layer: nn.Module, shared: Experts | None) -> ExpertLayer:
        refuse_shared(self, shared)
        return BridgeLayer(self, *get_linear_shape(self, base_layer))


class BridgeLayer(ExpertLayer):
    """`down` [rank, width] and `up` [rank, out] of the new experts; `bridge_0`, ... of the older.

    The older experts' weights are not parameters of this layer: it reads those of their own.
    """

    def __init__(self, kind: Bridge, width: int, out: int):
        super().__init__()
        self.kind, self.new = kind, kind.new
        self.down = init_down(kind.num_rows, width)
        self.up = nn.Parameter(torch.zeros(kind.num_rows, out))
        for number, rank in enumerate(kind.older_ranks):
            self.register_parameter(f"bridge_{number}", nn.Parameter(torch.eye(rank)))
        self.older: tuple[tuple[Experts, ExpertLayer], ...] = ()

    @property
    def bridges(self) -> list[Tensor]:
        """The matrix of each older expert, [rank, rank]."""
        count = len(self.kind.older_ranks)
        return [self.get_parameter(f"bridge_{number}") for number in range(count)]

    def view_older(self, older: Sequence[tuple[Experts, ExpertLayer]]) -> None:
        """Take the low-rank ones. Raises ValueError if their ranks are not `older_ranks`."""
        # A tuple, so that torch does not count them as this layer's submodules.
        self.older = tuple((kind, layer) for kind, layer in older if kind.is_low_rank)
        ranks = tuple(rank for factors in self._get_older_factors() for rank in factors.ranks)
        if ranks != self.kind.older_ranks:
            raise ValueError(
                f"Bridge(older_ranks={self.kind.older_ranks}): the older experts at the module "
                f"have ranks {ranks}; coterie.add_tasks sets older_ranks"
            )

    def _get_older_factors(self) -> list[LowRankFactors]:
        return [kind.get_own_factors(layer) for kind, layer in self.older]

    def compute_factors(self) -> LowRankFactors:
        """Return all experts as low-rank changes: F_j A_j and B_j, so of their old ranks."""
        new, older = self.kind.get_own_factors(self), self._get_older_factors()
        if not older:
            return new
        down = [half for each in older for half in each.down.detach().split(each.ranks)]
        bridged = [bridge @ half for bridge, half in zip(self.bridges, down, strict=True)]
        scales = [scale for each in older for scale in each.scales]
        own = self.kind.older_factors or (1.0,) * len(scales)
        return LowRankFactors(
            self.kind.get_ranks(),
            (*(scale * each for scale, each in zip(scales, own, strict=True)), *new.scales),
            torch.cat([*bridged, new.down]),
            torch.cat([*(each.up.detach() for each in older), new.up]),
        )

    def forward(
        self, base_layer: nn.Module, x: Tensor, deferred: DeferredRouting, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, RoutingDecision]:
        factors = self.compute_factors()
        return run_low_rank(self.new, self, factors, base_layer, x, deferred, *args, **kwargs)
