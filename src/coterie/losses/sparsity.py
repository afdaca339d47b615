"""The L1 loss on routing weights, which makes rectified routing sparse."""

from dataclasses import dataclass

import torch

from coterie.losses.base import Loss, RoutingLoss, count_units, mask_padding, sum_over_processes
from coterie.routing.decision import Routing, Tape


@dataclass(frozen=True, kw_only=True)
class Sparsity(RoutingLoss):
    """Mean over units of the L1 norm of the weights; arXiv:2412.14711 (ReMoE).

    It has an effect only on weights that are not normalised: normalised ones always sum to 1.

    Departs: ReMoE also averages over layers. Here layers are summed, as in all routing losses.

    Attributes:
        target: share of weights that are to be exactly 0, in (0, 1): after each step the loss is
            multiplied by `rate` if fewer are, and divided by it if more are (ReMoE eq. 10, with
            1 - k / experts as the target and 1e-8 as the first weight). None for a constant loss.
        rate: above 1.
    """

    weight: float = 0.001
    target: float | None = None
    rate: float = 1.2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.target is not None and not 0 < self.target < 1:
            raise ValueError(f"Sparsity(target={self.target}): a share in (0, 1), or None")
        if not self.rate > 1:
            raise ValueError(f"Sparsity(rate={self.rate}): a factor above 1")

    def compute(self, routing: Routing) -> Loss:
        norms = mask_padding(routing.weights, routing).abs().sum()
        return sum_over_processes(norms) / count_units(routing)

    def adapt(self, factor: Loss, tape: Tape, *, share: float) -> Loss:
        if self.target is None:
            return factor
        sparsity = torch.stack([compute_sparsity(each) for each in tape.values()]).mean()
        return factor * self.rate ** (share * torch.sign(self.target - sparsity)).to(factor.dtype)


def compute_sparsity(routing: Routing) -> Loss:
    """Compute the share of weights that are exactly 0, over the units of the global batch."""
    active = mask_padding((routing.weights != 0).float(), routing).mean(1).sum()
    return 1 - sum_over_processes(active) / count_units(routing)
