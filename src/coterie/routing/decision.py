"""The decisions of mixtures: one `Routing` a layer, recorded on a `Tape`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def to_full_precision(x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """`x` in float32, or in float64 if it is that already (gradient checks are)."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


@dataclass(frozen=True, kw_only=True)
class Routing:
    """One layer's decision in one forward pass.

    A unit is a token, or a sample where one decision serves the whole sample. All floats are
    float32, because bfloat16 probabilities lose the small differences that losses act on.

    Attributes:
        weights: what each expert's output is multiplied with; exactly 0 where it was not chosen.
        probs: probabilities over all experts, before any were dropped (rectified weights for
            `Rectified`, which has no probabilities).
        logits: what the gate said, before the router's noise and temperature; a noisy gate's own
            noise is in them.
        num_tasks: how many tasks the model was grafted for; 0 if none were named.
        task: the task of each unit, in [0, num_tasks); None when the batch carried no task ids.
        modality: index into `modalities` of each unit; None when it is not known.
        modalities: the names of the modalities that the model's tokens may have.
        valid: False for padding, which losses leave out; None when nothing is padded.
    """

    weights: Float[Tensor, "units experts"]
    probs: Float[Tensor, "units experts"]
    logits: Float[Tensor, "units experts"]
    num_tasks: int = 0
    task: Int[Tensor, " units"] | None = None
    modality: Int[Tensor, " units"] | None = None
    modalities: tuple[str, ...] = ("text",)
    valid: Bool[Tensor, " units"] | None = None


class Tape(dict[str, Routing]):
    """Layer name -> `Routing`, in the order of the calls; filled inside `coterie.observe`."""


class RoutingDecision(NamedTuple):
    """What a router and the blend make of logits; see `Routing` for the first two.

    `combine_weights` is what the expert outputs are multiplied with: the weights (to the mixture's
    `weight_exponent`), followed by the always-on expert's own weight where the mixture has one.
    `logits` are the gate's, before the router's noise.
    """

    weights: Float[Tensor, "*units experts"]
    probs: Float[Tensor, "*units experts"]
    combine_weights: Float[Tensor, "*units segments"]
    logits: Float[Tensor, "*units experts"]


@dataclass(frozen=True, kw_only=True)
class DeferredRouting:
    """How one call comes by its decision, handed to the experts so that they can fuse it.

    Either `gate_weight` is given (logits are `x @ gate_weight.T + gate_bias`, and may join the
    experts' own product) or `logits` are already there. `make_decision` is pure and
    may be called again in backward.

    Attributes:
        make_decision: logits in float32 -> `RoutingDecision`.
        logits: the gate's answer, if it was computed beforehand.
        gate_weight: the gate's matrix, if logits are one linear map of every token.
        gate_bias: the gate's bias, with `gate_weight` only.
        per_sample: the units are samples; their axis is the first of `x`.
        max_active: at most this many experts have a weight for a unit; None if that is not known.
        is_uniform: all units take the same decision (one task fills the batch).
    """

    make_decision: Callable[[Tensor], RoutingDecision]
    logits: Float[Tensor, "*units experts"] | None = None
    gate_weight: Float[Tensor, "experts width"] | None = None
    gate_bias: Float[Tensor, " experts"] | None = None
    per_sample: bool = False
    max_active: int | None = None
    is_uniform: bool = False

    def resolve(self, x: Float[Tensor, "*units width"]) -> Float[Tensor, "*decided experts"]:
        """The logits in float32, whichever way they are to be had."""
        if self.logits is not None:
            return to_full_precision(self.logits)
        assert self.gate_weight is not None
        logits = to_full_precision(x @ self.gate_weight.to(x.dtype).t())
        return logits if self.gate_bias is None else logits + self.gate_bias.to(logits.dtype)
