"""What every router answers to: logits to weights, pure."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor


class Router(ABC):
    """Turns a gate's logits into weights. Kinds are frozen keyword-only dataclasses.

    Routers have no parameters and draw nothing themselves: a layer may call one again in its
    backward pass and must get the same answer.
    """

    @abstractmethod
    def __call__(
        self, logits: Float[Tensor, "*units experts"], noise: Float[Tensor, "*units experts"] | None
    ) -> tuple[Float[Tensor, "*units experts"], Float[Tensor, "*units experts"]]:
        """(weights, probs), both float32; a weight is exactly 0 where its expert is not chosen.

        Args:
            logits: float32, any range.
            noise: what `sample_noise` returned for these logits.
        """

    def sample_noise(
        self, shape: torch.Size, device: torch.device, *, training: bool
    ) -> Float[Tensor, "*units experts"] | None:
        """Noise for logits of `shape`, from torch's global generator; None for none."""
        return None

    def get_max_active(self, experts: int) -> int:
        """The most experts that can have a weight, out of `experts`.

        Raises ValueError if the router cannot choose from so few.
        """
        return experts
