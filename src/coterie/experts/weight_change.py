"""`WeightChange`: what training changed of a linear layer, in factors."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class WeightChange:
    """A change of a linear layer's weight, `up @ down`, and of its bias; None for no bias."""

    down: Float[Tensor, "rank width"]
    up: Float[Tensor, "out rank"]
    bias: Float[Tensor, " out"] | None = None

    @classmethod
    def from_matrix(
        cls, weight: Float[Tensor, "out width"], bias: Float[Tensor, " out"] | None = None
    ) -> "WeightChange":
        """Factor a change of any rank without rounding: one factor is the identity matrix."""
        out, width = weight.shape
        identity = torch.eye(min(out, width), dtype=weight.dtype, device=weight.device)
        down, up = (identity, weight) if width <= out else (weight, identity)
        return cls(down=down, up=up, bias=bias)

    @property
    def rank(self) -> int:
        """The number of rows of `down`."""
        return len(self.down)

    def compute_matrix(self) -> Float[Tensor, "out width"]:
        """Compute the change of the weight."""
        return self.up @ self.down
