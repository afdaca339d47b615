"""`Rectified`: uses every expert whose logit is positive (RoDE, arXiv:2407.12730)."""

from dataclasses import dataclass

from coterie.routing.decision import ByExpert, KernelRouter
from coterie.routing.routers.base import Router


@dataclass(frozen=True, kw_only=True)
class Rectified(Router):
    """weights = max(0, logits + bias): no softmax, no fixed number of experts.

    RoDE's paper names it "linear rectified"; its exact form could not be read, so this is a
    reconstruction (ReMoE, arXiv:2412.14711, describes RoDE's router the same way).

    Attributes:
        bias: added to every logit. Without a positive one no expert and no gradient is there for
            a gate that is initialised at zero.
    """

    bias: float = 0.0

    @property
    def dead_expert_advice(self) -> str:
        return (
            "raise the bias of Rectified, so that closed gates open again, or lower the learning "
            "rate or the target of Sparsity"
        )

    @property
    def kernel_router(self) -> KernelRouter:
        return ("rectified", self.bias, 0)

    def __call__(self, logits: ByExpert, noise: ByExpert | None) -> tuple[ByExpert, ByExpert]:
        shifted = logits + self.bias
        # As relu, which would keep its result for backward: this keeps a bool in place of a float.
        weights = shifted.masked_fill(shifted <= 0, 0.0)
        return weights, weights
