"""The module of a pruned model that runs one task's mixture with the experts that were kept."""

import inspect
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from coterie.mixture import Mixture
from coterie.routing.decision import RoutingDecision
from coterie.routing.gates.base import LayerSite
from coterie.routing.routers.top_k import TopK
from coterie.routing.state import RoutingContext


class PrunedMixtureLayer(nn.Module):
    """A mixture of one task, with weights for the experts that its router has not closed.

    The gate has a row for each expert, closed or not, and the router's probabilities are over all
    of them, so that what the kept ones are multiplied with is what it was before the others went.
    """

    def __init__(self, base_layer: nn.Module, mixture: Mixture, width: int, name: str) -> None:
        super().__init__()
        self.mixture = mixture
        self.expert_indices = list_weighted_experts(mixture)
        main: Any = mixture.main
        kept = replace(main, count=len(self.expert_indices) - (mixture.shared is not None))
        experts = kept.build(base_layer, mixture.shared)
        assert experts is not None and mixture.gate is not None
        self.experts = experts
        self.gate = mixture.gate.build(width, mixture.num_experts, 1)
        self.site = LayerSite(name=name, tower="vision", tie_group=name)
        self.input_name = next(iter(inspect.signature(base_layer.forward).parameters))
        # Experts ask for its form and activation; in a tuple, its weights are nobody's to save.
        self._base_layer = (base_layer.to("meta"),)

    def train(self, mode: bool = True) -> "PrunedMixtureLayer":
        self._base_layer[0].train(mode)
        return super().train(mode)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        x, *rest = args or (kwargs.pop(self.input_name),)
        state = RoutingContext(batch_size=x.shape[0], device=x.device, single_task=0)
        gating = self.mixture.route(self.gate, x, state, self.site, training=self.training)

        def decide(logits: Tensor) -> RoutingDecision:
            decision = gating.make_decision(logits)
            return decision._replace(gates=decision.combine_weights[..., self.expert_indices])

        output, _ = self.experts(self._base_layer[0], x, replace(gating, decide=decide), *rest, **kwargs)
        return output


def list_weighted_experts(mixture: Mixture) -> list[int]:
    """Numbers of the experts that have weights, and that of the always-on one if there is one."""
    router = mixture.router
    closed = router.closed if isinstance(router, TopK) else ()
    total = mixture.main.count + (mixture.shared is not None)
    return [number for number in range(total) if number not in closed]
