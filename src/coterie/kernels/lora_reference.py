"""One call of low-rank experts: its inputs, the reference loop, and its traceable form.

All kernels compute y = x W^T + b + sum_e gate_e * scale_e * (x down_e^T) up_e and are tested for
equality with `apply_reference`. `down` stacks the experts' matrices along the rank axis, [rank,
width]; `up` stacks their transposes, [rank, out]. The stacked weights are cast to the dtype of
`x`, never `x` to theirs: the reverse costs 26 % of a bfloat16 model's step.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from coterie.kernels.dispatch import LOCAL, Dispatcher
from coterie.routing.decision import DeferredRouting, RoutingDecision


@dataclass(frozen=True)
class RankLayout:
    """The division of the rank axis among the experts, the always-on one last if there is one."""

    ranks: tuple[int, ...]
    scales: tuple[float, ...]

    def make_expansion_matrix(self, like: Tensor) -> Float[Tensor, "segments rank"]:
        """Return the matrix that maps gates to scaled factors of the rank axis: `gates @ matrix`.

        A matrix product, because its backward is one too; an index would add up atomically.
        """
        if torch.compiler.is_compiling():
            return _make_expansion_matrix(self.ranks, self.scales, like.dtype, like.device)
        return _cache_expansion_matrix(self.ranks, self.scales, like.dtype, like.device)

    def get_scales(self, like: Tensor) -> Float[Tensor, " segments"]:
        """Return the scales on the device, cached, because copying them would synchronise."""
        return _cache_scales(self.scales, like.dtype, like.device)

    def get_expert_of_rank(self, like: Tensor) -> Int[Tensor, " rank"]:
        """Return the segment of each position of the rank axis."""
        return _cache_expert_of_rank(self.ranks, like.device)


def _make_expansion_matrix(
    ranks: tuple[int, ...], scales: tuple[float, ...], dtype: torch.dtype, device: torch.device
) -> Float[Tensor, "segments rank"]:
    rows = [
        torch.full((rank,), scale, dtype=dtype, device=device)
        for rank, scale in zip(ranks, scales, strict=True)
    ]
    return torch.block_diag(*rows)


@lru_cache(maxsize=256)
def _cache_expansion_matrix(
    ranks: tuple[int, ...], scales: tuple[float, ...], dtype: torch.dtype, device: torch.device
) -> Float[Tensor, "segments rank"]:
    # A tensor first made under inference_mode could never be saved for a later backward.
    with torch.inference_mode(False):
        return _make_expansion_matrix(ranks, scales, dtype, device)


@lru_cache(maxsize=256)
def _cache_scales(
    scales: tuple[float, ...], dtype: torch.dtype, device: torch.device
) -> Float[Tensor, " segments"]:
    with torch.inference_mode(False):
        return torch.tensor(scales, dtype=dtype, device=device)


@lru_cache(maxsize=256)
def _cache_expert_of_rank(ranks: tuple[int, ...], device: torch.device) -> Int[Tensor, " rank"]:
    owners = [segment for segment, rank in enumerate(ranks) for _ in range(rank)]
    with torch.inference_mode(False):
        return torch.tensor(owners, device=device)


@dataclass(frozen=True, kw_only=True)
class LoraCall:
    """One call of a low-rank layer: the flat input, the base layer's part, the experts' weights.

    Either the frozen `weight` (and `bias`) of the base layer is given and the kernel computes its
    product, or `base_output` is the base layer's output, computed beforehand.
    """

    x: Float[Tensor, "tokens width"]
    down: Float[Tensor, "rank width"]
    up: Float[Tensor, "rank out"]
    layout: RankLayout
    weight: Float[Tensor, "out width"] | None = None
    bias: Float[Tensor, " out"] | None = None
    base_output: Float[Tensor, "tokens out"] | None = None
    tokens_per_unit: int = 1
    dispatcher: Dispatcher = LOCAL

    def compute_base_output(self) -> Float[Tensor, "tokens out"] | None:
        """Return the base layer's output, computed or given; None if there is neither."""
        if self.weight is None:
            return self.base_output
        return F.linear(self.x, self.weight, self.bias)


def apply_reference(
    call: LoraCall, deferred: DeferredRouting
) -> tuple[Float[Tensor, "tokens out"], RoutingDecision]:
    """Run the loop over experts of the papers, which tests compare the other kernels with."""
    decision = deferred.make_decision(deferred.resolve(call.x))
    gates = expand_to_tokens(decision.combine_weights, call)
    x = call.x.to(call.down.dtype)
    downs, ups = call.down.split(call.layout.ranks), call.up.split(call.layout.ranks)
    total = call.compute_base_output()
    total = x.new_zeros(len(x), call.up.shape[1]) if total is None else total
    for e, (down, up) in enumerate(zip(downs, ups, strict=True)):
        answer = (x @ down.t()) @ up
        total = total + (gates[:, e, None] * call.layout.scales[e] * answer).to(total.dtype)
    return total, decision


def expand_to_tokens(gates: Tensor, call: LoraCall) -> Float[Tensor, "tokens segments"]:
    """Repeat gates per sample for its tokens; return gates per token or for the batch unchanged."""
    return gates.repeat_interleave(call.tokens_per_unit, 0) if call.tokens_per_unit > 1 else gates


def apply_concatenated(
    call: LoraCall, deferred: DeferredRouting
) -> tuple[Float[Tensor, "tokens out"], RoutingDecision]:
    """Compute all experts as one low-rank map with gates on the rank axis, in ordinary operations.

    torch.compile traces this form; `apply_fused` is the same arithmetic in one node.
    """
    x = call.x
    h = x @ call.down.to(x.dtype).t()
    decision = deferred.make_decision(deferred.resolve(x))
    factors = decision.combine_weights.to(x.dtype) @ call.layout.make_expansion_matrix(x)
    h = scale_by_unit(h, factors, call.tokens_per_unit)
    total = call.compute_base_output()
    up = call.up.to(x.dtype)
    return (h @ up if total is None else torch.addmm(total, h, up)), decision


def scale_by_unit(h: Tensor, factors: Tensor, tokens_per_unit: int) -> Float[Tensor, "tokens rank"]:
    """Multiply `h` by the factors of each token's unit."""
    if tokens_per_unit == 1:
        return h * factors
    return (h.unflatten(0, (-1, tokens_per_unit)) * factors[:, None]).flatten(0, 1)
