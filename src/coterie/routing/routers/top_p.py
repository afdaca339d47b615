"""`TopP`: the fewest experts that reach a share of the probability (Uni-MoE 2.0, Huang 2024)."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F

from coterie.annotations import check_choices
from coterie.routing.decision import ByExpert
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
        check_choices(self)
        if not 0 < self.p <= 1:
            raise ValueError(f"TopP(p={self.p}): p is a share in (0, 1]")

    def __call__(self, logits: ByExpert, noise: ByExpert | None) -> tuple[ByExpert, ByExpert]:
        probs = logits.softmax(-1)
        ordered, order = probs.sort(dim=-1, descending=True, stable=True)
        reached_before = F.pad(ordered.cumsum(-1)[..., :-1], (1, 0))
        keep = torch.zeros_like(probs).scatter(-1, order, (reached_before < self.p).to(probs.dtype))
        weights = keep * (probs if self.weights == "probabilities" else _compute_shares(logits))
        if self.normalize:
            weights = weights / (weights.sum(-1, keepdim=True) + 1e-6)
        return weights, probs


def _compute_shares(logits: ByExpert) -> ByExpert:
    """Compute each expert's probability among those of no larger logit within `NEAR` of it."""
    ordered, order = logits.sort(dim=-1, descending=True, stable=True)
    larger, smaller = ordered[..., :, None], ordered[..., None, :]
    size = torch.maximum(larger.abs(), smaller.abs()).detach()
    near = (larger - smaller <= NEAR * size).triu()  # larger ones are chosen already
    exponents = (smaller - larger).masked_fill(~near, float("-inf"))
    return torch.zeros_like(logits).scatter(-1, order, 1 / exponents.exp().sum(-1))
