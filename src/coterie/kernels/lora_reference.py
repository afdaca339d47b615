"""One call of low-rank experts: its inputs, the reference loop, and its traceable form.

All kernels compute y = x W^T + b + sum_e gate_e * scale_e * (x down_e^T) up_e and are tested for
equality with `apply_reference`. `down` stacks the experts' matrices along the rank axis, [rank,
width]; `up` stacks their transposes, [rank, out]. The stacked weights are cast to the dtype of
`x`, never `x` to theirs: the reverse costs 26 % of a bfloat16 model's step.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from coterie.kernels.dispatch import LOCAL, Dispatcher
from coterie.routing.decision import DeferredRouting, RoutingDecision

Outputs = Float[Tensor, "tokens out"]
LoraResult = tuple[Outputs, RoutingDecision]


@dataclass(frozen=True)
class RankLayout:
    """The division of the rank axis among the experts, the always-on one last if there is one."""

    ranks: tuple[int, ...]
    scales: tuple[float, ...]

    def make_expansion_matrix(self, like: Tensor) -> Float[Tensor, "segments rank"]:
        """Return the matrix that maps gates to scaled factors of the rank axis: `gates @ matrix`.

        A matrix product, because its backward is one too; an index would add up atomically.
        """
        key = (self.ranks, self.scales, like.dtype, like.device)
        if torch.compiler.is_compiling():
            return _make_expansion_matrix(*key)
        return _cache_tensor(_make_expansion_matrix, *key)

    def make_factors(self, weights: tuple[float, ...], like: Tensor) -> Float[Tensor, "1 rank"]:
        """Return the factors of the rank axis for constant weights of the experts."""
        parts = zip(self.ranks, self.scales, weights, strict=True)
        row = tuple(scale * weight for rank, scale, weight in parts for _ in range(rank))
        return _cache_tensor(torch.tensor, (row,), dtype=like.dtype, device=like.device)

    def get_scales(
        self, like: Tensor, dtype: torch.dtype | None = None
    ) -> Float[Tensor, " segments"]:
        """Return the scales on the device, cached, because copying them would synchronise."""
        dtype = dtype or like.dtype
        return _cache_tensor(torch.tensor, self.scales, dtype=dtype, device=like.device)

    def get_expert_of_rank(self, like: Tensor) -> Int[Tensor, " rank"]:
        """Return the segment of each position of the rank axis."""
        owners = tuple(segment for segment, rank in enumerate(self.ranks) for _ in range(rank))
        return _cache_tensor(torch.tensor, owners, device=like.device)


@lru_cache(maxsize=512)
def _cache_tensor(make: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
    # A tensor first made under inference_mode could never be saved for a later backward.
    with torch.inference_mode(False):
        return make(*args, **kwargs)


def _make_expansion_matrix(
    ranks: tuple[int, ...], scales: tuple[float, ...], dtype: torch.dtype, device: torch.device
) -> Float[Tensor, "segments rank"]:
    rows = zip([(rank,) for rank in ranks], scales, strict=True)
    return torch.block_diag(*(torch.full(*row, dtype=dtype, device=device) for row in rows))


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
    base_output: Outputs | None = None
    tokens_per_unit: int = 1
    dispatcher: Dispatcher = LOCAL

    def compute_base_output(self) -> Outputs:
        """Return the base layer's output, computed or given."""
        return self.start_output() if self.base_output is None else self.base_output

    def start_output(self) -> Outputs:
        """Return a new tensor to which experts are added in place: the base product, or zeros."""
        if self.weight is not None:
            return F.linear(self.x, self.weight, self.bias)
        return self.x.new_zeros(len(self.x), self.up.shape[1])

    def add_base_output(self, out: Outputs) -> Outputs:
        """Return the sum of `base_output`, if it was given, and the experts' output."""
        return out if self.base_output is None else self.base_output + out


def keep_cast(x: Float[Tensor, "*units width"], *halves: Tensor) -> tuple[Tensor | None, ...]:
    """Return the experts' maps in the dtype of `x` for backward; None where it casts them again.

    `halves` are [rank, width] and [rank, out]. They are kept while smaller than two numbers a token
    and rank: a cast costs a launch.
    """
    features, tokens = sum(half.shape[1] for half in halves), x.shape[:-1].numel()
    return halves if features <= 2 * tokens else (None,) * len(halves)


def apply_reference(call: LoraCall, deferred: DeferredRouting) -> LoraResult:
    """Run the loop over experts of the papers, which tests compare the other kernels with."""
    decision = deferred.decide(call.x)
    gates = expand_to_tokens(decision.combine_weights, call)
    x = call.x.to(call.down.dtype)
    downs, ups = call.down.split(call.layout.ranks), call.up.split(call.layout.ranks)
    total = call.compute_base_output()
    for e, (down, up) in enumerate(zip(downs, ups, strict=True)):
        answer = (x @ down.t()) @ up
        total = total + (gates[:, e, None] * call.layout.scales[e] * answer).to(total.dtype)
    return total, decision


def expand_to_tokens(gates: Tensor, call: LoraCall) -> Float[Tensor, "tokens segments"]:
    """Repeat gates per sample for its tokens; return others unchanged."""
    return gates.repeat_interleave(call.tokens_per_unit, 0) if call.tokens_per_unit > 1 else gates


def apply_concatenated(call: LoraCall, deferred: DeferredRouting) -> LoraResult:
    """Compute all experts as one low-rank map with gates on the rank axis, in ordinary operations.

    torch.compile traces this form; `apply_fused` is the same arithmetic in one node.
    """
    x = call.x
    h = x @ call.down.to(x.dtype).t()
    decision = deferred.decide(x)
    factors = decision.combine_weights.to(x.dtype) @ call.layout.make_expansion_matrix(x)
    h = scale_by_unit(h, factors, call.tokens_per_unit)
    return torch.addmm(call.compute_base_output(), h, call.up.to(x.dtype)), decision


def scale_by_unit(h: Tensor, factors: Tensor, tokens_per_unit: int) -> Float[Tensor, "tokens rank"]:
    """Multiply `h` by the factors of each token's unit."""
    if tokens_per_unit == 1:
        return h * factors
    by_unit = h.view(len(h) // tokens_per_unit, tokens_per_unit, h.shape[1])
    return (by_unit * factors[:, None]).flatten(0, 1)


def sum_over_units(
    per_token: Float[Tensor, "tokens rank"], tokens_per_unit: int, units: int
) -> Float[Tensor, "units rank"]:
    """Sum over the tokens of each unit; of all tokens if there is one unit."""
    if units == 1:
        return per_token.sum(0, keepdim=True)
    if tokens_per_unit == 1:
        return per_token
    return per_token.view(units, tokens_per_unit, per_token.shape[1]).sum(1)
