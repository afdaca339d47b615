"""The module of a pruned model that runs one task's mixture with the experts that were kept."""

import inspect
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from coterie.mixture import Mixture
from coterie.routing.decision import Decision
from coterie.routing.gates.base import Place
from coterie.routing.routers.top_k import TopK
from coterie.routing.state import State


class PrunedLayer(nn.Module):
    """A mixture of one task, with weights for the experts that its router has not closed.

    The gate has a row for each expert, closed or not, and the router's probabilities are over all
    of them, so that what the kept ones are multiplied with is what it was before the others went.
    """

    def __init__(self, host: nn.Module, mixture: Mixture, width: int, name: str) -> None:
        super().__init__()
        self.mixture = mixture
        self.segments = segments(mixture)
        main: Any = mixture.main
        kept = replace(main, count=len(self.segments) - (mixture.shared is not None))
        experts = kept.build(host, mixture.shared)
        assert experts is not None and mixture.gate is not None
        self.experts = experts
        self.gate = mixture.gate.build(width, mixture.num_experts, 1)
        self.place = Place(name=name, tower="vision", group=name)
        self.input_name = next(iter(inspect.signature(host.forward).parameters))
        # Experts ask for its form and activation; in a tuple, its weights are nobody's to save.
        self._host = (host.to("meta"),)

    def train(self, mode: bool = True) -> "PrunedLayer":
        self._host[0].train(mode)
        return super().train(mode)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        x, *rest = args or (kwargs.pop(self.input_name),)
        state = State(batch=x.shape[0], device=x.device, single_task=0)
        gating = self.mixture.gating(self.gate, x, state, self.place, training=self.training)

        def decide(logits: Tensor) -> Decision:
            decision = gating.decide(logits)
            return decision._replace(gates=decision.gates[..., self.segments])

        output, _ = self.experts(self._host[0], x, replace(gating, decide=decide), *rest, **kwargs)
        return output


def segments(mixture: Mixture) -> list[int]:
    """Numbers of the experts that have weights, and that of the always-on one if there is one."""
    router = mixture.router
    closed = router.closed if isinstance(router, TopK) else ()
    total = mixture.main.count + (mixture.shared is not None)
    return [number for number in range(total) if number not in closed]
