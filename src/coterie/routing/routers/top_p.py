"""`TopP`: the fewest experts that reach a share of the probability (Uni-MoE 2.0, Huang 2024)."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from coterie.routing.routers.base import Router

NEAR = 0.02
"""Largest relative difference of logits that share a weight: twice the released code's jitter."""


@dataclass(frozen=True, kw_only=True)
class TopP(Router):
    """The fewest experts whose probabilities sum to at least `p`.

    k = 1 + number of positions at which the cumulated, sorted softmax is still below p (Uni-MoE's
    released DCMoE code; arXiv:2511.12509).

    Attributes:
        p: share to reach, in (0, 1].
        normalize: divide the weights of the chosen experts by their sum + 1e-6.
        weights: "probabilities" weighs each chosen expert by its probability. "sparse_mixer" is
            the evaluation of the released DCMoE code: experts are chosen one by one, the largest
            logit first; the weight of each is its softmax probability among the experts not
            chosen yet whose logits are within 2 % of its own, relative to the larger of the
            two in size. All but experts that nearly tie thus get 1 / k each. Departs: in training
            the released code samples the experts, and has a gradient of its own (SparseMixer-v2,
            arXiv:2409.12136); here both are those of the formula.
    """

    p: float = 0.7
    normalize: bool = True
    weights: Literal["probabilities", "sparse_mixer"] = "probabilities"

    def __post_init__(self) -> None:
        if not 0 < self.p <= 1:
            raise ValueError(f"TopP(p={self.p}): p is a share in (0, 1]")
        if self.weights not in ("probabilities", "sparse_mixer"):
            raise ValueError(
                f"TopP(weights={self.weights!r}): allowed are 'probabilities' and 'sparse_mixer'"
            )

    def __call__(
        self, logits: Float[Tensor, "*units experts"], noise: Float[Tensor, "*units experts"] | None
    ) -> tuple[Float[Tensor, "*units experts"], Float[Tensor, "*units experts"]]:
        probs = logits.softmax(-1)
        ordered, order = probs.sort(dim=-1, descending=True, stable=True)
        reached_before = F.pad(ordered.cumsum(-1)[..., :-1], (1, 0))
        keep = torch.zeros_like(probs).scatter(-1, order, (reached_before < self.p).to(probs.dtype))
        weights = keep * (probs if self.weights == "probabilities" else shares(logits))
        if self.normalize:
            weights = weights / (weights.sum(-1, keepdim=True) + 1e-6)
        return weights, probs


def shares(logits: Float[Tensor, "*units experts"]) -> Float[Tensor, "*units experts"]:
    """Compute each expert's probability among those of no larger logit within `NEAR` of it."""
    ordered, order = logits.sort(dim=-1, descending=True, stable=True)
    larger, smaller = ordered[..., :, None], ordered[..., None, :]
    size = torch.maximum(larger.abs(), smaller.abs()).detach()
    near = (larger - smaller <= NEAR * size).triu()  # larger ones are chosen already
    exponents = (smaller - larger).masked_fill(~near, float("-inf"))
    return torch.zeros_like(logits).scatter(-1, order, 1 / exponents.exp().sum(-1))
