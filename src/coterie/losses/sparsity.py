"""The L1 loss on routing weights, which makes rectified routing sparse."""

from dataclasses import dataclass

from coterie.losses.base import Loss, RoutingLoss, count_units, mask_padding, sum_over_processes
from coterie.routing.decision import Routing


@dataclass(frozen=True, kw_only=True)
class Sparsity(RoutingLoss):
    """Mean over units of the L1 norm of the weights; arXiv:2412.14711 (ReMoE).

    It has an effect only on weights that are not normalised: normalised ones always sum to 1.

    Departs: ReMoE also averages over layers, and adapts the weight during training until the target
    share of weights is 0. Here layers are summed, as in all routing losses, and the weight is
    constant, because a loss holds no state.
    """

    weight: float = 0.001

    def compute(self, routing: Routing) -> Loss:
        norms = mask_padding(routing.weights, routing).abs().sum()
        return sum_over_processes(norms) / count_units(routing)
