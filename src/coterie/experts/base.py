"""What every kind of expert answers to: `Experts` says which, `ExpertLayer` holds the weights."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from coterie.routing.decision import DeferredRouting, RoutingDecision


class ExpertLayer(nn.Module, ABC):
    """The weights of all experts at one module of the host, stacked.

    Parameters sit directly on the layer, none on a module below it: PEFT and transformers find
    the adapter's name only in the last or second-last part of a key.
    """

    @abstractmethod
    def forward(
        self, base_layer: nn.Module, x: Tensor, deferred: DeferredRouting, *args: Any, **kwargs: Any
    ) -> tuple[Any, RoutingDecision]:
        """The output that takes the place of `host(x, *args, **kwargs)`, and the decision.

        Where the experts add, the host's own output is part of it. `Decision.gates` has one
        column an expert, and a last one for the always-on expert if the layer was built with it.
        """


class Experts(ABC):
    """A kind of expert. Kinds are frozen keyword-only dataclasses with small valid defaults."""

    attaches_to: ClassVar[Literal["linears", "block"]]
    """What of a role the experts sit at: each linear layer, or the whole block."""

    @property
    @abstractmethod
    def count(self) -> int:
        """How many experts there are to choose from."""

    @property
    def is_additive(self) -> bool:
        """True where the experts' output is added to the host's; False where it replaces it."""
        return True

    @property
    def uses_base_weights(self) -> bool:
        """False where no weight of the host is at work any more."""
        return True

    @abstractmethod
    def build(self, base_layer: nn.Module, shared: "Experts | None") -> ExpertLayer | None:
        """New weights that fit `host`; `shared` is one more, always-on expert of the same kind.

        Returns None for experts without weights. Raises ValueError if the kind cannot sit at
        `host`, naming the host's class and what would fit.
        """
