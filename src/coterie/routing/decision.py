"""The types of a routing decision: one `Routing` a layer, recorded on a `Tape`."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from coterie.routing.features import LayerFeatures

KernelRouter = tuple[str, float, int]
"""A router for kernels: how the weights follow from the logits, a number, and k; see `Router`."""
ByExpert = Float[Tensor, "*units experts"]
LayerInput = Float[Tensor, "*units width"]
Result = TypeVar("Result")


def to_full_precision(x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Return `x` in float32, or in float64 if it already is (as in gradient checks)."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


@dataclass(frozen=True, kw_only=True)
class Routing:
    """One layer's decision in one forward pass.

    A unit is a token, or a sample if one decision serves all its tokens. All floats are float32,
    because bfloat16 probabilities lose the small differences that losses act on.

    Attributes:
        weights: factors of the experts' outputs; exactly 0 where an expert was not chosen.
        probs: probabilities over all experts, before any were dropped (rectified weights for
            `Rectified`, which has no probabilities).
        logits: the gate's logits, before the router's noise and temperature; a noisy gate's own
            noise is in them.
        num_tasks: the tasks the model was grafted for; 0 if none were named.
        task: in [0, num_tasks); None if the batch has no task ids.
        modality: index into `modalities`, those of the model's tokens; None if it is not known.
        valid: False for padding, which losses skip; None if nothing is padded.
        answer: True from a sample's first answer token on; None if it is not known.
        features: of a tape that keeps them; see `Tape`.
    """

    weights: Float[Tensor, "units experts"]
    probs: Float[Tensor, "units experts"]
    logits: Float[Tensor, "units experts"]
    num_tasks: int = 0
    task: Int[Tensor, " units"] | None = None
    modality: Int[Tensor, " units"] | None = None
    modalities: tuple[str, ...] = ("text",)
    valid: Bool[Tensor, " units"] | None = None
    answer: Bool[Tensor, " units"] | None = None
    features: LayerFeatures | None = None


class Tape(dict[str, Routing]):
    """Layer name -> `Routing`, in the order of the calls; filled inside `coterie.observe`.

    Attributes:
        keeps_features: whether the layers' inputs are kept, too, as some losses need them.
    """

    keeps_features: bool = False


class RoutingDecision(NamedTuple):
    """The output of a router for some logits, as in `Routing`.

    `combine_weights` are the factors of the expert outputs: the weights to the mixture's exponent,
    followed by those of the always-on experts if the mixture has any.
    """

    weights: ByExpert
    probs: ByExpert
    combine_weights: Float[Tensor, "*units segments"]
    logits: ByExpert


@dataclass(frozen=True, kw_only=True)
class DeferredRouting:
    """The inputs of one call's decision, which the experts complete so that they can fuse it.

    Either `gate_weight` is given (logits are `x @ gate_weight.T + gate_bias`, and may be computed
    in one product with the experts), or `logits` are.

    Attributes:
        make_decision: of logits in float32; pure, may be called again in backward.
        per_sample: the units are samples; their axis is the first of `x`.
        max_active: most experts that have a weight for a unit; None if that is not known.
        is_uniform: all units have the same decision (one task fills the batch).
        kernel_router: `make_decision` as `Router.kernel_router`; None if it does more than that.
        constant: the combine weights, where nothing is routed.
        tied_results: what the layers of a tie group compute alike in this pass, see `share`.
    """

    make_decision: Callable[[Tensor], RoutingDecision]
    logits: ByExpert | None = None
    gate_weight: Float[Tensor, "experts width"] | None = None
    gate_bias: Float[Tensor, " experts"] | None = None
    per_sample: bool = False
    max_active: int | None = None
    is_uniform: bool = False
    kernel_router: KernelRouter | None = None
    constant: tuple[float, ...] | None = None
    tied_results: dict[Hashable, Any] | None = None

    def share(self, key: Hashable, make: Callable[[], Result]) -> Result:
        """Return `make()`, or its result for an earlier layer of the tie group.

        A layer's decision costs some 50 launches of kernels with a handful of numbers in a step.
        """
        if self.tied_results is None:
            return make()
        if key not in self.tied_results:
            self.tied_results[key] = make()
        return self.tied_results[key]

    def decide(self, x: LayerInput) -> RoutingDecision:
        """Return the decision, made from the logits of `resolve`."""
        return self.share("decision", lambda: self.make_decision(self.resolve(x)))

    def resolve(self, x: LayerInput) -> Float[Tensor, "*decided experts"]:
        """Return the logits in float32: those given, or computed from `x`."""
        if self.logits is not None:
            return to_full_precision(self.logits)
        assert self.gate_weight is not None
        logits = to_full_precision(x @ self.gate_weight.to(x.dtype).t())
        return logits if self.gate_bias is None else logits + self.gate_bias.to(logits.dtype)
