"""Low-rank experts with one shared `down` (HydraLoRA, Tian et al. 2024, arXiv:2404.19245)."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from coterie.annotations import check_choices
from coterie.experts.base import (
    ExpertLayer,
    Experts,
    LowRankFactors,
    cast_for_autocast,
    expand_gates,
    get_linear_shape,
    init_down,
    refuse_shared,
)
from coterie.routing.decision import DeferredRouting, RoutingDecision


@dataclass(frozen=True, kw_only=True)
class HydraLora(Experts):
    """y = W x + alpha / rank * sum_e g_e up_e(down x): one `down`, and an `up` for each expert.

    HydraLoRA's gate is `TokenGate` with `Softmax`; with `TaskGate` it is the asymmetric part of
    MTL-LoRA (Yang et al. 2024, arXiv:2410.09437), without its matrix for each task between the two.

    Attributes:
        count: number of experts, at least 1.
        rank: of the shared `down` and each `up`, at least 1.
        alpha: numerator of the scale.
        dropout: share of the input's features dropped before `down`, in [0, 1).
        kernel: "reference" adds the experts one by one; "auto" in one product.
    """

    attaches_to: ClassVar[Literal["linears", "block"]] = "linears"
    is_low_rank: ClassVar[bool] = True
    label: ClassVar[str] = "head"
    count: int = 3  # pyright: ignore[reportIncompatibleMethodOverride]  a field answers it
    rank: int = 8
    alpha: float = 16.0
    dropout: float = 0.0
    kernel: Literal["auto", "reference"] = "auto"

    def __post_init__(self) -> None:
        check_choices(self)
        if self.count < 1 or self.rank < 1:
            raise ValueError(
                f"HydraLora(count={self.count}, rank={self.rank}): both are at least 1"
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"HydraLora(dropout={self.dropout}): a share in [0, 1)")

    def make_single(self) -> "HydraLora":
        return replace(self, count=1)

    def get_ranks(self) -> tuple[int, ...]:
        return (self.rank,) * self.count

    def count_parameters(self, layer: nn.Module, shared: Experts | None) -> list[int]:
        assert isinstance(layer, _HydraLoraLayer)
        return [layer.up[0].numel()] * self.count

    def find_copy_problem(self, shared: Experts | None) -> str | None:
        return "its experts share one down, which copies of an expert would not"

    def get_low_rank_factors(self, layer: nn.Module) -> LowRankFactors:
        assert isinstance(layer, _HydraLoraLayer)
        scales = (self.alpha / self.rank,) * self.count
        down, up = layer.down.repeat(self.count, 1), layer.up.flatten(0, 1)
        return LowRankFactors((self.rank,) * self.count, scales, down, up)

    def build(self, base_layer: nn.Module, shared: Experts | None) -> ExpertLayer:
        refuse_shared(self, shared)
        return _HydraLoraLayer(self, *get_linear_shape(self, base_layer))


class _HydraLoraLayer(ExpertLayer):
    """`down` [rank, width], `up` [experts, rank, out]."""

    def __init__(self, kind: HydraLora, width: int, out: int):
        super().__init__()
        self.kind = kind
        self.down = init_down(kind.rank, width)
        self.up = nn.Parameter(torch.zeros(kind.count, kind.rank, out))

    def forward(
        self, base_layer: nn.Module, x: Tensor, deferred: DeferredRouting, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, RoutingDecision]:
        x = cast_for_autocast(x)
        decision = deferred.make_decision(deferred.resolve(x))
        dropped = F.dropout(x, self.kind.dropout, self.training)
        h = (dropped @ self.down.to(x.dtype).t()).flatten(0, -2)
        gates = (self.kind.alpha / self.kind.rank * expand_gates(decision, deferred, x)).to(x.dtype)
        base, is_reference = base_layer(x, *args, **kwargs), self.kind.kernel == "reference"
        up = self.up.to(x.dtype)
        out = _add_experts(base.flatten(0, -2), h, gates, up, is_reference=is_reference)
        return out.view(base.shape), decision


def _add_experts(
    base: Float[Tensor, "tokens out"],
    h: Float[Tensor, "tokens rank"],
    gates: Float[Tensor, "tokens experts"],
    up: Float[Tensor, "experts rank out"],
    *,
    is_reference: bool,
) -> Float[Tensor, "tokens out"]:
    if is_reference:
        for each, gate in zip(up, gates.unbind(-1), strict=True):
            base = base + gate[:, None] * (h @ each)
        return base
    weighed = (gates[:, :, None] * h[:, None]).flatten(1)
    return torch.addmm(base, weighed, up.flatten(0, 1))
