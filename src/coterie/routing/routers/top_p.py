"""`TopP`: the fewest experts that reach a share of the probability (Uni-MoE 2.0, Huang 2024)."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F

from coterie.annotations import check_choices
from coterie.routing.decision import ByExpert
from coterie.routing.routers.base import Router
from coterie.routing.sparse_mixer import SequentialChoice, choose_one_by_one


@dataclass(frozen=True, kw_only=True)
class TopP(Router):
    """The fewest experts whose probabilities sum to at least `p`.

    k = 1 + number of positions at which the cumulated, sorted softmax is still below p (Uni-MoE's
    released DCMoE code; arXiv:2511.12609).

    Attributes:
        p: share to reach, in (0, 1].
        normalize: divide the weights of the chosen experts by their sum + 1e-6.
        weights: "probabilities" weighs each chosen expert by its probability. "sparse_mixer" is
            that of the released DCMoE code: experts are chosen one by one, the largest logit
            first; the weight of each is its softmax probability among the experts not chosen yet
            whose logits are within 2 % of the largest of these, relative to the larger of the two
            in size. All but experts that nearly tie thus get 1 / k each.
        gradient: of "sparse_mixer" in training. "formula" is that of the weights as they are in
            evaluation. With the others each expert is sampled from the probabilities that are its
            weight, and the output counts in full if it was the most probable one, and else
            in full or by a third, at random. "released": in full with probability 1 / 4, before
            weights are normalised; the gradient is that of the whole (SparseMixer-v2,
            arXiv:2409.12136; DCMoE). "paper": in full with probability 5 / 8, after; the gradient
            is twice that of the whole, of the experts, too, for which they run twice (Uni-MoE 2,
            arXiv:2511.12609 appendix A.4).
    """

    p: float = 0.7
    normalize: bool = True
    weights: Literal["probabilities", "sparse_mixer"] = "probabilities"
    gradient: Literal["formula", "released", "paper"] = "formula"

    def __post_init__(self) -> None:
        check_choices(self)
        if not 0 < self.p <= 1:
            raise ValueError(f"TopP(p={self.p}): p is a share in (0, 1]")
        if self.gradient != "formula" and self.weights != "sparse_mixer":
            raise ValueError(
                f"TopP(gradient={self.gradient!r}) samples experts, which "
                f"weights={self.weights!r} does not: give weights='sparse_mixer'"
            )

    @property
    def estimates_gradient(self) -> bool:
        return self.gradient == "paper"

    def __call__(self, logits: ByExpert, noise: ByExpert | None) -> tuple[ByExpert, ByExpert]:
        probs = logits.softmax(-1)
        if self.weights == "probabilities":
            weights = probs * self._mark_needed(probs)
        else:
            choice = self._choose(logits, noise)
            weights = choice.shares
            if noise is not None and self.gradient == "released":
                factors = _compute_factors(choice, full=0.25, third=0.3333)
                weights = weights + ((factors - 1) * weights).detach()
        if self.normalize:
            weights = weights / (weights.sum(-1, keepdim=True) + 1e-6)
        return weights, probs

    def sample_noise(
        self, shape: torch.Size, device: torch.device, *, training: bool
    ) -> ByExpert | None:
        if self.gradient == "formula" or not training:
            return None
        return torch.rand(shape, device=device)

    def compute_output_factors(
        self, logits: ByExpert, noise: ByExpert | None
    ) -> tuple[ByExpert, float]:
        return _compute_factors(self._choose(logits, noise), full=0.625, third=1 / 3), 2.0

    def _mark_needed(self, probs: ByExpert) -> ByExpert:
        """Return 1 for the experts that are needed to reach `p`, and 0 for the others."""
        ordered, order = probs.detach().sort(dim=-1, descending=True, stable=True)
        reached_before = F.pad(ordered.cumsum(-1)[..., :-1], (1, 0))
        return torch.zeros_like(ordered).scatter(
            -1, order, (reached_before < self.p).to(probs.dtype)
        )

    def _choose(self, logits: ByExpert, noise: ByExpert | None) -> SequentialChoice:
        return choose_one_by_one(
            logits, self._mark_needed(logits.softmax(-1)).sum(-1).long(), noise
        )


def _compute_factors(choice: SequentialChoice, *, full: float, third: float) -> ByExpert:
    """Return 1 for the most probable experts, and for others 1 with probability `full`."""
    counts_in_full = choice.is_largest | (choice.rest < full)
    return torch.full_like(choice.shares, third).masked_fill(counts_in_full, 1.0)
