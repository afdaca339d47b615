"""Low-rank experts of equal or unequal ranks (Hu et al. 2021, arXiv:2106.09685; RoDE)."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from coterie.experts.base import ExpertLayer, Experts
from coterie.kernels.lora import Call, Segments, concatenated, reference
from coterie.kernels.lora_folded import folded
from coterie.kernels.lora_fused import fused, triton
from coterie.kernels.lora_hard import hard
from coterie.kernels.lora_sparse import sparse
from coterie.routing.decision import Decision, Gating

FORMS: dict[str, Callable[[Call, Gating], tuple[Tensor, Decision]]] = {
    "reference": reference,
    "concatenated": concatenated,
    "fused": fused,
    "triton": triton,
    "sparse": sparse,
    "hard": hard,
    "folded": folded,
}


@dataclass(frozen=True, kw_only=True)
class Lora(Experts):
    """A low-rank map beside a linear layer for each expert: scale_e * up_e(down_e(x)).

    scale_e = alpha / rank_e. `down` starts Kaiming-uniform, `up` at zero, so the host is
    unchanged until training.

    Attributes:
        ranks: the rank of each expert, at least 1; they may differ (RoDE, arXiv:2407.12730).
        alpha: see above; the same for all experts.
        dropout: share of the input's features dropped before `down`, in [0, 1). One mask serves
            all experts. Departs: the published loops draw a mask an expert, which triples the
            cost of the layer.
        form: which arithmetic runs. "auto" picks by shape; all are equal, see `choose`. "folded"
            and "hard" raise a ValueError on a call they do not fit.
    """

    takes: ClassVar[Literal["linears", "block"]] = "linears"
    ranks: tuple[int, ...] = (8, 8, 8, 8)
    alpha: float = 16.0
    dropout: float = 0.0
    form: Literal[
        "auto", "reference", "concatenated", "fused", "triton", "sparse", "hard", "folded"
    ] = "auto"

    def __post_init__(self) -> None:
        object.__setattr__(self, "ranks", tuple(self.ranks))
        if not self.ranks or min(self.ranks) < 1:
            raise ValueError(f"Lora(ranks={self.ranks}): give at least one rank, each at least 1")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"Lora(dropout={self.dropout}): a share in [0, 1)")
        if self.form != "auto" and self.form not in FORMS:
            raise ValueError(
                f"Lora(form={self.form!r}): allowed are 'auto', {', '.join(map(repr, FORMS))}"
            )

    @property
    def count(self) -> int:
        return len(self.ranks)

    def build(self, host: nn.Module, shared: Experts | None) -> ExpertLayer:
        features = _features(host)
        if shared is None:
            return LoraLayer(self, self.ranks, self._scales, *features)
        if type(shared) is not Lora or shared.count != 1:
            raise ValueError(f"shared={shared!r}: beside Lora experts it is a Lora of one rank")
        if (shared.dropout, shared.form) != (self.dropout, self.form):
            raise ValueError(
                f"shared has dropout={shared.dropout} and form={shared.form!r}: it runs together "
                f"with the experts and has theirs, {self.dropout} and {self.form!r}"
            )
        ranks = (*self.ranks, *shared.ranks)
        return LoraLayer(self, ranks, (*self._scales, *shared._scales), *features)

    @property
    def _scales(self) -> tuple[float, ...]:
        return tuple(self.alpha / rank for rank in self.ranks)


def _features(host: nn.Module) -> tuple[int, int]:
    inner, outer = getattr(host, "in_features", None), getattr(host, "out_features", None)
    if not isinstance(inner, int) or not isinstance(outer, int):
        raise ValueError(
            f"Lora experts sit at linear layers, not at {type(host).__name__}: name the linear "
            "layers in it, or use a role"
        )
    return inner, outer


class LoraLayer(ExpertLayer):
    """`down` [rank, width] and `up` [rank, out], all experts stacked along the rank axis."""

    def __init__(
        self, lora: Lora, ranks: tuple[int, ...], scales: tuple[float, ...], width: int, out: int
    ):
        super().__init__()
        self.form = lora.form
        self.dropout = lora.dropout
        self.segments = Segments(ranks, scales)
        self.down = nn.Parameter(torch.empty(sum(ranks), width))
        self.up = nn.Parameter(torch.zeros(sum(ranks), out))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(
        self, host: nn.Module, x: Tensor, gating: Gating, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Decision]:
        if torch.is_autocast_enabled(x.device.type):
            x = x.to(torch.get_autocast_dtype(x.device.type))
        dropped = self.dropout > 0 and self.training
        plain = not dropped and _is_plain(host)
        flat = x.reshape(-1, x.shape[-1])
        gating = _flat(gating)
        if dropped and gating.logits is None:
            # The gate sees the whole input, the experts the thinned one.
            gating = Gating(decide=gating.decide, logits=gating.resolve(flat), active=gating.active)
        call = Call(
            x=F.dropout(flat, self.dropout) if dropped else flat,
            down=self.down,
            up=self.up,
            segments=self.segments,
            weight=host.weight if plain else None,  # pyright: ignore[reportArgumentType]
            bias=host.bias if plain else None,  # pyright: ignore[reportArgumentType]
            host_output=None if plain else host(x, *args, **kwargs).flatten(0, -2),
            tokens_per_unit=flat.shape[0] // x.shape[0] if gating.per_sample else 1,
        )
        out, decision = FORMS[self._form(call, gating)](call, gating)
        return out.view(*x.shape[:-1], out.shape[-1]), decision

    def _form(self, call: Call, gating: Gating) -> str:
        # Only ordinary operations can be traced, whatever form was asked for.
        if self.form == "auto" or torch.compiler.is_compiling():
            return choose(call, gating)
        if self.form == "folded" and not (gating.uniform and call.weight is not None):
            raise ValueError(
                "Lora(form='folded') needs one decision for the whole batch, as of "
                "TaskGate(per_token=False) with one task in it, and a plain frozen linear host: "
                "use form='auto'"
            )
        if self.form == "hard" and not (
            gating.per_sample and gating.active is not None and len(set(call.segments.ranks)) == 1
        ):
            raise ValueError(
                "Lora(form='hard') needs a decision a sample, as of InstanceGate, and experts of "
                f"one rank, not {call.segments.ranks}: use form='auto'"
            )
        return self.form

    def delta(self, gates: Tensor) -> Tensor:
        """What the mixture adds to the host's weight, [out, width], for one row of gates."""
        factors = gates.to(self.down.dtype) @ self.segments.spread(self.down)
        return (self.up * factors[:, None]).t() @ self.down


def choose(call: Call, gating: Gating) -> str:
    """The fastest form for a call's shape, by the measurements in docs/performance.md.

    Traced code gets ordinary operations. One decision for all folds into the weight once there
    are enough tokens to pay for it; a decision a sample gathers the chosen experts; a few
    experts a token out of a large total rank are visited one by one; else everything is one
    concatenated low-rank map.
    """
    rank, ranks = sum(call.segments.ranks), set(call.segments.ranks)
    if torch.compiler.is_compiling():
        return "concatenated"
    if gating.uniform and call.weight is not None and 2 * call.x.shape[0] > call.x.shape[1]:
        return "folded"
    few = gating.active is not None and gating.active < len(call.segments.ranks)
    if gating.per_sample and few and len(ranks) == 1 and call.tokens_per_unit >= 16:
        return "hard"
    if few and not gating.per_sample and rank > 64 * (gating.active or 1):
        return "sparse"
    return "fused"


def _flat(gating: Gating) -> Gating:
    if gating.logits is None or gating.logits.ndim == 2:
        return gating
    return Gating(decide=gating.decide, logits=gating.logits.flatten(0, -2), active=gating.active)


def _is_plain(host: nn.Module) -> bool:
    """True if the host's product can join the node: a frozen linear layer nobody listens to."""
    return (
        type(host) is nn.Linear
        and type(host.weight) is nn.Parameter
        and not host.weight.requires_grad
        and host.weight.is_floating_point()
        and not (host._forward_hooks or host._forward_pre_hooks)
        and not torch.is_autocast_enabled(host.weight.device.type)
    )
