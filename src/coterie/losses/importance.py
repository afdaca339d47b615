"""The importance loss of the sparsely-gated mixture of experts."""

from dataclasses import dataclass

import torch

from coterie.losses.base import Loss, PerTask, RoutingLoss, sum_units
from coterie.routing.decision import Routing


@dataclass(frozen=True, kw_only=True)
class Importance(RoutingLoss):
    """CV(importance)^2, where an expert's importance is the sum of its weights over all units.

    CV is the standard deviation divided by the mean; arXiv:1701.06538 eq. 6-7.

    Attributes:
        weight: the paper tries 0.01 to 1.
        unbiased: False for the variance of E experts (divide by E). True for that of the code of
            Mod-Squad, M3ViT and Awaker2.5-VL, which divides by E - 1, and adds 1e-10 to the
            squared mean.
        load: add CV(load)^2, where an expert's load is how many units use it. A count has no
            gradient: this is the load that the code of the sparsely-gated layer uses for gates
            without noise, and changes the value alone.
        by_task: compute the loss on the units of each task alone and sum it over the tasks in the
            batch, so that each task uses all experts equally (M3ViT's code, which reads the loss
            of each task's gate).
    """

    weight: float = 0.01
    unbiased: bool = False
    load: bool = False
    by_task: bool = False

    def compute(self, routing: Routing) -> Loss:
        values = [routing.weights]
        if self.load:
            values.append((routing.weights.detach() != 0).float())
        loss = "Importance(by_task=True)"
        sums = [sum_units(each, routing, loss, by_task=self.by_task) for each in values]
        return torch.stack([self._compute_variation(each) for each in sums]).sum()

    def _compute_variation(self, sums: PerTask) -> Loss:
        """Compute CV^2 over experts, summed over tasks."""
        experts = sums.shape[-1]
        mean = sums.mean(-1, keepdim=True)
        deviation = (sums - mean).square().sum(-1)
        squared = mean.squeeze(-1).square()
        if self.unbiased:
            return (deviation / max(experts - 1, 1) / (squared + 1e-10)).sum()
        # Rectified weights can all be 0, and a task can be absent: CV is then 0, not NaN.
        return (deviation / experts / squared.clamp_min(torch.finfo(mean.dtype).tiny)).sum()
