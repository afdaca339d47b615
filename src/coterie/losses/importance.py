"""The importance loss of the sparsely-gated mixture of experts."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from coterie.losses.base import RoutingLoss, global_sum, without_padding
from coterie.routing.decision import Routing


@dataclass(frozen=True, kw_only=True)
class Importance(RoutingLoss):
    """CV(importance)^2, where an expert's importance is the sum of its weights over all units.

    CV is standard deviation by mean; arXiv:1701.06538 eq. 6-7.

    Attributes:
        weight: the paper tries 0.01 to 1.
        unbiased: False for the variance of E experts (divide by E). True for that of the code of
            Mod-Squad and Awaker2.5-VL, which divides by E - 1, and adds 1e-10 to the squared mean.
    """

    weight: float = 0.01
    unbiased: bool = False

    def value(self, routing: Routing) -> Float[Tensor, ""]:
        importance = global_sum(without_padding(routing.weights, routing).sum(0))
        mean = importance.mean()
        deviation = (importance - mean).square().sum()
        if self.unbiased:
            return deviation / max(len(importance) - 1, 1) / (mean.square() + 1e-10)
        # Rectified weights can all be 0; then all experts are alike.
        return deviation / len(importance) / mean.square().clamp_min(torch.finfo(mean.dtype).tiny)
