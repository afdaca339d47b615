"""The router z-loss of ST-MoE."""

import math
from dataclasses import dataclass

from coterie.losses.base import Loss, RoutingLoss, count_units, mask_padding, sum_over_processes
from coterie.routing.decision import Routing


@dataclass(frozen=True, kw_only=True)
class ZLoss(RoutingLoss):
    """Mean over units of (log sum_e exp logit_e)^2, which limits the size of the logits.

    arXiv:2202.08906 eq. 5.

    Attributes:
        weight: 0.001 in the paper and in Mod-Squad's code.
        epsilon: added to the sum inside the logarithm; 0 in the paper, 1e-4 in Mod-Squad's code.
    """

    weight: float = 0.001
    epsilon: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.epsilon < math.inf:
            raise ValueError(f"ZLoss(epsilon={self.epsilon}): give a number, at least 0")

    def compute(self, routing: Routing) -> Loss:
        log_sum = mask_padding(routing.logits, routing).logsumexp(-1, keepdim=True)
        if self.epsilon:
            log_sum = log_sum.logaddexp(log_sum.new_tensor(math.log(self.epsilon)))
        squares = mask_padding(log_sum.square(), routing)
        return sum_over_processes(squares.sum()) / count_units(routing)
