"""`Softmax`: uses every expert, weighted by its probability (Jacobs et al. 1991)."""

from dataclasses import dataclass

from coterie.routing.decision import ByExpert, KernelRouter
from coterie.routing.routers.base import Router


@dataclass(frozen=True, kw_only=True)
class Softmax(Router):
    """weights = softmax(logits / temperature) over all experts; one-hot near temperature 0."""

    temperature: float = 1.0

    def __post_init__(self) -> None:
        if self.temperature <= 0:
            raise ValueError(f"Softmax(temperature={self.temperature}): it must be greater than 0")

    @property
    def kernel_router(self) -> KernelRouter:
        return ("softmax", self.temperature, 0)

    def __call__(self, logits: ByExpert, noise: ByExpert | None) -> tuple[ByExpert, ByExpert]:
        # A division by 1 is one more launch on a GPU.
        scores = logits if self.temperature == 1 else logits / self.temperature
        probs = scores.softmax(-1)
        return probs, probs
