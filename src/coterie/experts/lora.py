"""Low-rank experts of equal or unequal ranks (Hu et al. 2021, arXiv:2106.09685; RoDE)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from coterie.annotations import abbreviate, check_choices
from coterie.experts.base import (
    ExpertLayer,
    Experts,
    LowRankFactors,
    cast_for_autocast,
    get_linear_shape,
    init_down,
)
from coterie.kernels import lora_by_shape, lora_fused, lora_reference, lora_triton
from coterie.kernels.lora_reference import LoraCall, LoraResult, RankLayout
from coterie.routing.decision import DeferredRouting, RoutingDecision

KERNELS: dict[str, Callable[[LoraCall, DeferredRouting], LoraResult]] = {
    "reference": lora_reference.apply_reference,
    "concatenated": lora_reference.apply_concatenated,
    "fused": lora_fused.apply_fused,
    "triton": lora_triton.apply_triton,
    "sorted_dispatch": lora_by_shape.apply_sorted_dispatch,
    "per_sample": lora_by_shape.apply_per_sample,
    "merged": lora_by_shape.apply_merged,
}

MAX_RANK = 65_536
"""No layer is as wide; far above it, one allocation would take all memory."""


@dataclass(frozen=True, kw_only=True)
class Lora(Experts):
    """A low-rank map for each expert, added to a linear layer: scale_e * up_e(down_e(x)).

    scale_e = alpha / rank_e, or `scale`. `down` is initialised Kaiming-uniform, `up` with zeros, so
    that the base model is unchanged until training.

    Attributes:
        ranks: the rank of each expert, at least 1; they may differ (RoDE, arXiv:2407.12730).
        alpha: numerator of the scales, the same for all experts.
        scale: the scale of every expert, whatever its rank, in place of alpha / rank (RoDE's
            successor, arXiv:2411.12787, has 2); None for alpha / rank.
        dropout: share of the input's features dropped before `down`, in [0, 1). One mask serves
            all experts. Departs: the published loops sample one mask an expert, which triples the
            cost of the layer.
        kernel: the implementation. "auto" selects one by shape, see `select_kernel`; all
            give equal results. "merged" and "per_sample" raise a ValueError on a call they do not
            support.
    """

    attaches_to: ClassVar[Literal["linears", "block"]] = "linears"
    is_low_rank: ClassVar[bool] = True
    ranks: tuple[int, ...] = (8, 8, 8, 8)
    alpha: float = 16.0
    scale: float | None = None
    dropout: float = 0.0
    kernel: Literal[
        "auto", "reference", "concatenated", "fused", "triton", "sorted_dispatch", "per_sample",
        "merged",
    ] = "auto"  # fmt: skip

    def __post_init__(self) -> None:
        check_choices(self)
        object.__setattr__(self, "ranks", tuple(self.ranks))
        if not self.ranks or min(self.ranks) < 1:
            raise ValueError(f"Lora(ranks={self.ranks}): give at least one rank, each at least 1")
        if max(self.ranks) > MAX_RANK or len(self.ranks) > MAX_RANK:
            given = f"Lora(ranks={abbreviate(self.ranks)})"
            raise ValueError(f"{given}: give at most {MAX_RANK} ranks, each at most {MAX_RANK}")
        if not self.alpha > 0:
            raise ValueError(f"Lora(alpha={self.alpha!r}): allowed is anything above 0")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"Lora(dropout={self.dropout}): a share in [0, 1)")

    @property
    def count(self) -> int:
        return len(self.ranks)

    @property
    def num_rows(self) -> int:
        return sum(self.ranks)

    @property
    def scales(self) -> tuple[float, ...]:
        """The factor of each expert's output."""
        return tuple(self.alpha / rank if self.scale is None else self.scale for rank in self.ranks)

    def get_names(self) -> list[str]:
        return [f"rank {rank}" for rank in self.ranks]

    def get_ranks(self) -> tuple[int, ...]:
        return self.ranks

    def count_parameters(self, layer: nn.Module, shared: Experts | None) -> list[int]:
        per_rank = sum(each[0].numel() for each in layer.parameters())
        return [rank * per_rank for rank in self.ranks]

    def make_single(self) -> "Lora":
        return replace(self, ranks=self.ranks[:1])

    def find_copy_problem(self, shared: Experts | None) -> str | None:
        ranks = {*self.ranks, *(shared.ranks if isinstance(shared, Lora) else ())}
        if len(ranks) == 1:
            return None
        return (
            f"the experts' ranks are {sorted(ranks)}, and copies have one: give all experts, the "
            "always-on one too, one rank"
        )

    def get_low_rank_factors(self, layer: nn.Module) -> LowRankFactors:
        assert isinstance(layer, LoraLayer)
        return LowRankFactors(layer.layout.ranks, layer.layout.scales, layer.down, layer.up)

    def build(self, base_layer: nn.Module, shared: Experts | None) -> ExpertLayer:
        width, out = get_linear_shape(self, base_layer)
        kinds = (self,)
        if shared is not None:
            if type(shared) is not Lora or shared.count != 1:
                raise ValueError(f"shared={shared!r}: beside Lora experts it is a Lora of one rank")
            if (shared.dropout, shared.kernel) != (self.dropout, self.kernel):
                raise ValueError(
                    f"shared has dropout={shared.dropout} and kernel={shared.kernel!r}: it runs "
                    f"together with the experts and has theirs, {self.dropout} and {self.kernel!r}"
                )
            kinds = (self, shared)
        return LoraLayer(kinds, width, out)


class LoraLayer(ExpertLayer):
    """`down` [rank, width] and `up` [rank, out], all experts stacked along the rank axis."""

    def __init__(self, kinds: Sequence[Lora], width: int, out: int):
        super().__init__()
        self.kind = kinds[0]
        ranks = tuple(rank for kind in kinds for rank in kind.ranks)
        scales = tuple(scale for kind in kinds for scale in kind.scales)
        self.layout = RankLayout(ranks, scales)
        self.down = init_down(sum(ranks), width)
        self.up = nn.Parameter(torch.zeros(sum(ranks), out))

    def forward(
        self, base_layer: nn.Module, x: Tensor, deferred: DeferredRouting, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, RoutingDecision]:
        factors = self.kind.get_low_rank_factors(self)
        return run_low_rank(self.kind, self, factors, base_layer, x, deferred, *args, **kwargs)


def run_low_rank(
    kind: Lora,
    layer: ExpertLayer,
    factors: LowRankFactors,
    base_layer: nn.Module,
    x: Tensor,
    deferred: DeferredRouting,
    *args: Any,
    **kwargs: Any,
) -> tuple[Tensor, RoutingDecision]:
    """Run a layer's low-rank experts as `ExpertLayer.forward`; `kind` has dropout and kernel."""
    x = cast_for_autocast(x)
    dropped = kind.dropout > 0 and layer.training
    plain = not dropped and _is_plain(base_layer)
    flat = x.reshape(-1, x.shape[-1])
    if deferred.logits is not None and deferred.logits.ndim > 2:
        deferred = replace(deferred, logits=deferred.logits.flatten(0, -2))
    elif deferred.logits is None and dropped:
        # Dropout applies to the input of the experts, not to that of the gate.
        logits = deferred.resolve(flat)
        deferred = replace(deferred, logits=logits, gate_weight=None, gate_bias=None)
    call = LoraCall(
        x=F.dropout(flat, kind.dropout) if dropped else flat,
        down=factors.down,
        up=factors.up,
        layout=RankLayout(factors.ranks, factors.scales),
        weight=base_layer.weight if plain else None,  # pyright: ignore[reportArgumentType]
        bias=base_layer.bias if plain else None,  # pyright: ignore[reportArgumentType]
        base_output=None if plain else _run_linear(base_layer, x, *args, **kwargs),
        tokens_per_unit=flat.shape[0] // x.shape[0] if deferred.per_sample else 1,
        dispatcher=layer.dispatcher,
    )
    out, decision = KERNELS[_choose_kernel(kind.kernel, call, deferred)](call, deferred)
    return out.view(*x.shape[:-1], out.shape[-1]), decision


def _choose_kernel(kernel: str, call: LoraCall, deferred: DeferredRouting) -> str:
    # Only ordinary operations can be traced, whatever `kernel` is.
    if kernel == "auto" or torch.compiler.is_compiling():
        return select_kernel(call, deferred)
    if kernel == "merged" and not (deferred.is_uniform and call.weight is not None):
        raise ValueError(
            "Lora(kernel='merged') needs one decision for the whole batch, as of "
            "TaskGate(per_token=False) with one task in it, and a plain frozen linear host: "
            "use kernel='auto'"
        )
    gathers = deferred.per_sample and deferred.max_active is not None
    if kernel == "per_sample" and not (gathers and len(set(call.layout.ranks)) == 1):
        raise ValueError(
            "Lora(kernel='per_sample') needs a decision a sample, as of InstanceGate, and "
            f"experts of one rank, not {call.layout.ranks}: use kernel='auto'"
        )
    return kernel


def select_kernel(call: LoraCall, deferred: DeferredRouting) -> str:
    """Return the fastest kernel for a call's shape, by the measurements in docs/performance.md."""
    rank, ranks = sum(call.layout.ranks), set(call.layout.ranks)
    if torch.compiler.is_compiling():
        return "concatenated"
    if deferred.is_uniform and call.weight is not None and 2 * call.x.shape[0] > call.x.shape[1]:
        return "merged"
    few = deferred.max_active is not None and deferred.max_active < len(call.layout.ranks)
    gathers = deferred.per_sample and few and len(ranks) == 1 and call.tokens_per_unit >= 16
    # By count of operators: on a GPU launches of a gathering cost more than products of small rank
    # by all experts. Neither this nor 256 was measured on one yet.
    if gathers and not (call.x.is_cuda and rank <= 256):
        return "per_sample"
    if call.x.is_cuda:  # expert by expert is several times slower there
        return "triton" if lora_triton.supports_triton(call, deferred) else "fused"
    # A call an expert costs some 0.1 ms in a step (32 to 500 experts, 16 to 1024 tokens): their
    # products must be large enough for it.
    products = call.x.shape[0] * rank * (call.x.shape[1] + call.up.shape[1])
    if few and not deferred.per_sample and rank > 64 * (deferred.max_active or 1):
        return "sorted_dispatch" if products > 4e6 * len(call.layout.ranks) else "fused"
    return "fused"


def _run_linear(base_layer: nn.Module, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Return the output by token. Raises ValueError if there are others, as of routers."""
    output = base_layer(x, *args, **kwargs)
    if not isinstance(output, Tensor):
        raise ValueError(
            f"a {type(base_layer).__name__}, which Lora experts were added to, returns a "
            f"{type(output).__name__} and not a tensor: it is no plain linear layer (routers of "
            "mixture decoders are of this kind), so leave it out of `at`"
        )
    return output.flatten(0, -2)


def _is_plain(base_layer: nn.Module) -> bool:
    """Return whether the base layer can be fused: a frozen linear layer without hooks."""
    return (
        type(base_layer) is nn.Linear
        and type(base_layer.weight) is nn.Parameter
        and not base_layer.weight.requires_grad
        and base_layer.weight.is_floating_point()
        and not (base_layer._forward_hooks or base_layer._forward_pre_hooks)
        and not torch.is_autocast_enabled(base_layer.weight.device.type)
    )
