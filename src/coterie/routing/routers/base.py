"""The interface of routers: pure functions from logits to weights."""

from abc import ABC, abstractmethod

import torch

from coterie.routing.decision import ByExpert, KernelRouter


class Router(ABC):
    """A function from a gate's logits to weights. Kinds are frozen keyword-only dataclasses.

    Routers have no parameters and sample nothing when called: a layer may call one again in its
    backward pass and must get the same result.
    """

    @property
    def dead_expert_advice(self) -> str:
        """What to change if some experts are never chosen, for a warning."""
        return (
            "add LoadBalance(weight=0.01) to the recipe's losses, noise to the router, or take "
            "fewer experts"
        )

    @property
    def kernel_router(self) -> KernelRouter | None:
        """The router as (mode, number, k) for `coterie.kernels.lora_triton_kernels`; None if not.

        Modes are "softmax", "rectified", "top_k" and "top_k_selected".
        """
        return None

    @property
    def estimates_gradient(self) -> bool:
        """Whether, in training, experts' outputs and their gradients have different factors."""
        return False

    @abstractmethod
    def __call__(self, logits: ByExpert, noise: ByExpert | None) -> tuple[ByExpert, ByExpert]:
        """Return (weights, probs), both float32; a weight is exactly 0 if its expert is not chosen.

        Args:
            logits: float32, any range.
            noise: the result of `sample_noise` for these logits.
        """

    def sample_noise(
        self, shape: torch.Size, device: torch.device, *, training: bool
    ) -> ByExpert | None:
        """Sample noise for logits of `shape` from torch's global generator; None for no noise."""
        return None

    def compute_output_factors(
        self, logits: ByExpert, noise: ByExpert | None
    ) -> tuple[ByExpert, float]:
        """Return factors of the weighted outputs in the forward pass, and one of their gradient.

        Called in training if `estimates_gradient`; beside `__call__`, whose weights are without.
        """
        return torch.ones_like(logits), 1.0

    def get_max_active(self, experts: int) -> int:
        """Return the most experts that can have a weight, out of `experts`.

        Raises ValueError if the router cannot choose from so few.
        """
        return experts
