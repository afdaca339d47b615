"""`TopK`: uses the experts with the k largest logits (Shazeer et al. 2017, arXiv:1701.06538)."""

from dataclasses import dataclass
from typing import Literal

import torch

from coterie.annotations import check_choices
from coterie.routing.decision import ByExpert, KernelRouter
from coterie.routing.routers.base import Router


@dataclass(frozen=True, kw_only=True)
class TopK(Router):
    """The `k` experts with the largest logits.

    Attributes:
        k: experts a unit uses, at least 1.
        normalize: the experts that the softmax covers. "all": all experts, so the weights of the
            k chosen sum to less than 1 (Mod-Squad; Awaker; Uni-MoE, its paper). "selected": the k
            chosen, so they sum to 1 (Uni-MoE, its code). "none": the chosen logits themselves.
        temperature: divisor of the logits, above 0.
        noise: standard deviation of Gaussian noise on the logits, at least 0.
        noise_at: "after" the temperature (Awaker, its paper) or "before" it (its code).
        noise_in_evaluation: sample noise outside training too, as Mod-Squad's code does.
        epsilon: added to every probability after the softmax (Mod-Squad's code: 1e-4).
        closed: indices of experts that are never chosen. They still take part in a softmax over
            all, so that closing experts which no unit chooses changes nothing.
    """

    k: int = 2
    normalize: Literal["all", "selected", "none"] = "all"
    temperature: float = 1.0
    noise: float = 0.0
    noise_at: Literal["before", "after"] = "after"
    noise_in_evaluation: bool = False
    epsilon: float = 0.0
    closed: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        check_choices(self)
        if self.k < 1:
            raise ValueError(f"TopK(k={self.k}): k must be at least 1")
        if self.temperature <= 0:
            raise ValueError(f"TopK(temperature={self.temperature}): it must be greater than 0")
        for name in ("noise", "epsilon"):
            if getattr(self, name) < 0:
                problem = "a standard deviation or addend is not negative"
                raise ValueError(f"TopK({name}={getattr(self, name)}): {problem}")

    @property
    def kernel_router(self) -> KernelRouter | None:
        if self.noise or self.epsilon or self.closed or self.normalize == "none":
            return None
        mode = "top_k" if self.normalize == "all" else "top_k_selected"
        return (mode, self.temperature, self.k)

    def __call__(self, logits: ByExpert, noise: ByExpert | None) -> tuple[ByExpert, ByExpert]:
        scores = logits if self.temperature == 1 else logits / self.temperature
        if noise is not None:
            is_divided = self.noise_at == "before" and self.temperature != 1
            scores = scores + (noise / self.temperature if is_divided else noise)
        probs = scores.softmax(-1)
        if self.epsilon:
            probs = probs + self.epsilon
        if self.closed:
            closed = torch.tensor(self.closed, device=scores.device)
            scores = scores.index_fill(-1, closed, float("-inf"))
        best, chosen = scores.topk(self.k, -1)
        if self.normalize == "all":
            # A product, because the backward of a gather and a scatter are four launches.
            return probs * torch.zeros_like(probs).scatter_(-1, chosen, 1.0), probs
        if self.normalize == "selected":
            best = best.softmax(-1)
        return torch.zeros_like(probs).scatter(-1, chosen, best), probs

    def sample_noise(
        self, shape: torch.Size, device: torch.device, *, training: bool
    ) -> ByExpert | None:
        if self.noise == 0 or not (training or self.noise_in_evaluation):
            return None
        return torch.randn(shape, device=device) * self.noise

    def get_max_active(self, experts: int) -> int:
        if not set(self.closed) <= set(range(experts)) or self.k > experts - len(set(self.closed)):
            raise ValueError(
                f"TopK(k={self.k}, closed={self.closed}) cannot choose from {experts} experts: "
                f"lower k, add experts, or close fewer of those from 0 to {experts - 1}"
            )
        return self.k
