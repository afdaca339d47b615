"""As many experts as it takes to reach a share of the probability (Uni-MoE 2.0, Huang 2024)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from coterie.routing.routers.base import Router


@dataclass(frozen=True, kw_only=True)
class TopP(Router):
    """Keeps the fewest experts whose probabilities sum to at least `p`.

    k = 1 + number of places where the cumulated, sorted softmax is still below p (Uni-MoE's
    released DCMoE code; arXiv:2511.12509).

    Attributes:
        p: share to reach, in (0, 1].
        normalize: divide the kept probabilities by their sum (+ 1e-6, as the released code does).
    """

    p: float = 0.7
    normalize: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.p <= 1:
            raise ValueError(f"TopP(p={self.p}): p is a share in (0, 1]")

    def __call__(
        self, logits: Float[Tensor, "*units experts"], noise: Float[Tensor, "*units experts"] | None
    ) -> tuple[Float[Tensor, "*units experts"], Float[Tensor, "*units experts"]]:
        probs = logits.softmax(-1)
        ordered, order = probs.sort(dim=-1, descending=True, stable=True)
        reached_before = F.pad(ordered.cumsum(-1)[..., :-1], (1, 0))
        keep = torch.zeros_like(probs).scatter(-1, order, (reached_before < self.p).to(probs.dtype))
        weights = probs * keep
        if self.normalize:
            weights = weights / (weights.sum(-1, keepdim=True) + 1e-6)
        return weights, probs
