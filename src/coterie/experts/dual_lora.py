"""Dual low-rank adaptation: one expert a rank (Jiao et al. 2025, arXiv:2411.12787)."""

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
    cast_for_autocast,
    expand_gates,
    get_linear_shape,
    init_down,
    refuse_shared,
)
from coterie.routing.decision import DeferredRouting, RoutingDecision, to_full_precision

EPSILON = 1e-5  # torch.nn.LayerNorm's


@dataclass(frozen=True, kw_only=True)
class DualLora(Experts):
    """y = W x + scale * up(norm(down x) * g): a skill space, whose ranks the gate's g select.

    With `TokenGate` and `Rectified`, g = ReLU(T x) is the paper's task space, and each rank of the
    skill space is an expert. `norm` is a layer norm over the ranks, with weight and bias. `up` is
    initialised with zeros, so that the base model is unchanged until training.

    Attributes:
        rank: of the skill space, which is the number of experts; at least 1.
        scale: factor of the change, as the released code's 2 for any rank.
        dropout: share of the input's features dropped before `down`, in [0, 1).
        kernel: "reference" computes the gate and the skill space in two products; "auto" in one,
            where the gate allows it.
    """

    attaches_to: ClassVar[Literal["linears", "block"]] = "linears"
    label: ClassVar[str] = "rank"
    rank: int = 32
    scale: float = 2.0
    dropout: float = 0.0
    kernel: Literal["auto", "reference"] = "auto"

    def __post_init__(self) -> None:
        check_choices(self)
        if self.rank < 1:
            raise ValueError(f"DualLora(rank={self.rank}): at least 1")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"DualLora(dropout={self.dropout}): a share in [0, 1)")

    @property
    def count(self) -> int:
        return self.rank

    def get_ranks(self) -> tuple[int, ...]:
        return (1,) * self.rank

    def make_single(self) -> "DualLora":
        return replace(self, rank=1)

    def find_copy_problem(self, shared: Experts | None) -> str | None:
        return "its experts are the ranks of one normalised space, of which copies would be equal"

    def build(self, base_layer: nn.Module, shared: Experts | None) -> ExpertLayer:
        refuse_shared(self, shared)
        return _DualLoraLayer(self, *get_linear_shape(self, base_layer))


class _DualLoraLayer(ExpertLayer):
    def __init__(self, kind: DualLora, width: int, out: int):
        super().__init__()
        self.kind = kind
        self.down = init_down(kind.rank, width)
        self.up = nn.Parameter(torch.zeros(kind.rank, out))
        self.norm_weight = nn.Parameter(torch.ones(kind.rank))
        self.norm_bias = nn.Parameter(torch.zeros(kind.rank))

    def forward(
        self, base_layer: nn.Module, x: Tensor, deferred: DeferredRouting, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, RoutingDecision]:
        x = cast_for_autocast(x)
        dropped = self.kind.dropout > 0 and self.training
        rows = deferred.gate_weight
        if self.kind.kernel == "auto" and rows is not None and not dropped:
            # One product reads the input once for both spaces.
            both = x @ torch.cat((self.down, rows)).to(x.dtype).t()
            skills, logits = both.split((self.kind.rank, len(rows)), -1)
            logits = to_full_precision(logits)
            if deferred.gate_bias is not None:
                logits = logits + deferred.gate_bias.to(logits.dtype)
        else:
            logits = deferred.resolve(x)
            skills = F.dropout(x, self.kind.dropout, dropped) @ self.down.to(x.dtype).t()
        decision = deferred.make_decision(logits)
        change = self._normalise(skills).flatten(0, -2)
        change = change * (self.kind.scale * expand_gates(decision, deferred, x)).to(x.dtype)
        base = base_layer(x, *args, **kwargs)
        out = torch.addmm(base.flatten(0, -2), change, self.up.to(x.dtype))
        return out.view(base.shape), decision

    def _normalise(self, skills: Float[Tensor, "*units rank"]) -> Float[Tensor, "*units rank"]:
        weight, bias = (each.to(skills.dtype) for each in (self.norm_weight, self.norm_bias))
        return F.layer_norm(skills, skills.shape[-1:], weight, bias, EPSILON)
