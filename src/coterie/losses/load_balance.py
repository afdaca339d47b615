"""The load balance loss of GShard and Switch Transformer."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch.nn import functional

from coterie.losses.base import Loss, RoutingLoss, sum_units
from coterie.routing.decision import Routing


@dataclass(frozen=True, kw_only=True)
class LoadBalance(RoutingLoss):
    """E * sum_e P_e f_e: 1 if all E experts are used equally, E if one gets every unit.

    P_e is the mean probability of expert e, f_e its share of the choices, which carries no
    gradient: arXiv:2101.03961 (Switch Transformer) eq. 4-6.

    Attributes:
        weight: 0.01 in Switch Transformer, Mod-Squad's code and the released 8-expert Uni-MoE.
        counts: "selected" counts each expert that has a weight (Mod-Squad's code; the same as
            Switch's for one expert a unit). "top1" counts the most probable expert only
            (GShard, arXiv:2006.16668 algorithm 1, and Uni-MoE).
        by_task: compute the loss on the units of each task alone and sum it over the tasks in the
            batch, so that each task uses all experts equally (Mod-Squad's copy of M3ViT, which
            reads it after each task's pass; for M3ViT's own loss see `Importance`).
        normalize: divide the mean probabilities by their sum. It changes the value only where
            probabilities do not sum to 1: Mod-Squad's code, whose router adds 1e-4 to each
            (`TopK(epsilon=1e-4)`), divides by the sum, which removes the effect on the value.
    """

    weight: float = 0.01
    counts: Literal["selected", "top1"] = "selected"
    by_task: bool = False
    normalize: bool = False

    def compute(self, routing: Routing) -> Loss:
        experts = routing.probs.shape[-1]
        if self.counts == "selected":
            choices = routing.weights.detach() != 0
        else:
            choices = functional.one_hot(routing.probs.argmax(-1), experts)
        chosen, probs, units = (
            sum_units(each.float(), routing, "LoadBalance", by_task=self.by_task)
            for each in (choices, routing.probs, torch.ones_like(routing.probs))
        )
        probs = probs / units.clamp_min(1.0)
        shares = chosen / chosen.sum(-1, keepdim=True).clamp_min(1.0)
        if self.normalize:
            # `normalize` bounds the divisor from below, so that a task without units adds 0.
            probs = functional.normalize(probs, p=1, dim=-1)
        return experts * (probs * shares).sum()
