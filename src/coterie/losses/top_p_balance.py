"""The load balance loss of Uni-MoE 2, for routers that choose a varying number of experts."""

from dataclasses import dataclass

import torch

from coterie.losses.base import Loss, RoutingLoss, mask_padding, sum_over_processes
from coterie.routing.decision import Routing


@dataclass(frozen=True, kw_only=True)
class TopPBalance(RoutingLoss):
    """E * sum_e f_e p_e over the E experts to choose from, with null and without shared ones.

    f_e is the share of units that chose expert e, which carries no gradient; p_e is the mean of a
    softmax over the experts that the unit chose. Source: Uni-MoE's released DCMoE code. Unlike
    `LoadBalance`, it grows with the number of experts a unit chooses: k if k of E experts are
    chosen, all equally often and with equal probabilities.

    Attributes:
        weight: 0.025 in the released script.
        answer_weight: how often a unit from the first answer token on counts, at least 0; 10 in
            the released code, for each answer token.
    """

    weight: float = 0.025
    answer_weight: float = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.answer_weight < float("inf"):
            raise ValueError(
                f"TopPBalance(answer_weight={self.answer_weight}): give a finite number, at least 0"
            )

    def compute(self, routing: Routing) -> Loss:
        chosen = routing.weights.detach() != 0
        logits = mask_padding(routing.logits, routing)
        probs = logits.masked_fill(~chosen, torch.finfo(logits.dtype).min).softmax(-1)
        count = torch.ones_like(logits[:, :1])
        if routing.answer is not None:
            count = torch.where(routing.answer[:, None], self.answer_weight, count)
        total, chosen, probs = (
            sum_over_processes(mask_padding(each * count, routing).sum(0))
            for each in (torch.ones_like(count), chosen, probs)
        )
        total = total.clamp_min(torch.finfo(total.dtype).tiny)
        return logits.shape[-1] * (chosen / total * probs / total).sum()
