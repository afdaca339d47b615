"""The load balance loss of GShard and Switch Transformer."""

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from coterie.losses.base import RoutingLoss, global_sum, num_units, without_padding
from coterie.routing.decision import Routing


@dataclass(frozen=True, kw_only=True)
class LoadBalance(RoutingLoss):
    """E * sum_e P_e f_e: 1 where all E experts are used alike, E where one takes everything.

    P_e is the mean probability of expert e, f_e its share of the choices, which carries no
    gradient: arXiv:2101.03961 (Switch Transformer) eq. 4-6.

    Attributes:
        weight: 0.01 in Switch Transformer, Mod-Squad's code and the released 8-expert Uni-MoE.
        counts: "selected" counts each expert that has a weight (Mod-Squad's code; the same as
            Switch's for one expert a unit). "top1" counts the most probable expert only
            (GShard, arXiv:2006.16668 algorithm 1, and Uni-MoE).
    """

    weight: float = 0.01
    counts: Literal["selected", "top1"] = "selected"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.counts not in ("selected", "top1"):
            raise ValueError(f'LoadBalance(counts={self.counts!r}): give "selected" or "top1"')

    def value(self, routing: Routing) -> Float[Tensor, ""]:
        experts = routing.probs.shape[-1]
        if self.counts == "selected":
            choices = routing.weights.detach() != 0
        else:
            choices = functional.one_hot(routing.probs.argmax(-1), experts)
        chosen = global_sum(without_padding(choices.float(), routing).sum(0))
        probs = global_sum(without_padding(routing.probs, routing).sum(0)) / num_units(routing)
        return experts * (probs * chosen / chosen.sum().clamp_min(1.0)).sum()
