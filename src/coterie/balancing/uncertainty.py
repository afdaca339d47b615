"""Uncertainty weighting: task losses with one learned uncertainty a task."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from coterie.balancing.base import Balancing, TaskLosses, TaskMask


@dataclass(frozen=True, kw_only=True)
class Uncertainty(Balancing):
    """sum_t 0.5 / sigma_t^2 L_t + r(sigma_t) over the tasks in the batch; sigma starts at 1.

    Attributes:
        positive: True for r = log(1 + sigma^2), which is never negative (arXiv:1805.06334 eq. 3,
            Liebel and Koerner; used by Mod-Squad). False for r = log sigma (arXiv:1705.07115
            eq. 10, Kendall et al.), with which the sum can be below 0.
    """

    positive: bool = True

    def build(self, tasks: int) -> nn.Module:
        return UncertainSum(tasks, positive=self.positive)


class UncertainSum(nn.Module):
    """The module of `Uncertainty`. `sigma` has weight decay if `Stage.decays_balancing` is set."""

    def __init__(self, tasks: int, *, positive: bool) -> None:
        super().__init__()
        self.positive = positive
        self.sigma = nn.Parameter(torch.ones(tasks, dtype=torch.float32))

    def forward(self, losses: TaskLosses, present: TaskMask) -> Float[Tensor, ""]:
        squared = self.sigma.square()
        # 0.5 log sigma^2 is log sigma, and stays defined if an optimizer step makes sigma negative.
        regularizer = squared.log1p() if self.positive else 0.5 * squared.log()
        terms = 0.5 / squared * losses.where(present, 0.0) + regularizer
        return terms.where(present, 0.0).sum()
