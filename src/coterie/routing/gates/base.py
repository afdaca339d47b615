"""The interface of gates, which compute the logits of each token or sample."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from coterie.routing.context import RoutingContext
from coterie.routing.decision import ByExpert, LayerInput, to_full_precision


@dataclass(frozen=True, kw_only=True)
class LayerSite:
    """The position of a gate: the layer's name in the model, and its tower (as "text" or "vision").

    Layers of one tie group share one decision a sample.
    """

    name: str
    tower: str
    tie_group: str


class GateOutput(NamedTuple):
    """A gate's output: logits, or the matrix (and bias) that computes them from every token.

    `per_sample`: the logits' first axis is the first axis of `x`, and there is no token axis.
    `is_uniform`: there is one row of logits for all units.
    """

    logits: ByExpert | None = None
    gate_weight: Float[Tensor, "experts width"] | None = None
    gate_bias: Float[Tensor, " experts"] | None = None
    per_sample: bool = False
    is_uniform: bool = False


class GateLayer(nn.Module, ABC):
    """A gate's weights at one module of the base model, with a bias or None."""

    def __init__(self, gate: Any, weight: Tensor, bias: Tensor | None = None):
        super().__init__()
        self.gate, self.weight = gate, nn.Parameter(weight)
        self.bias = None if bias is None else nn.Parameter(bias)

    @abstractmethod
    def forward(self, x: LayerInput, context: RoutingContext, site: LayerSite) -> GateOutput:
        """Compute the output for the layer input `x`.

        Raises ValueError if `context` lacks an input of the gate.
        """

    def compute_logits(self, x: LayerInput) -> ByExpert:
        """Compute the logits in float32 from `x` in float32, by one matrix for all units."""
        bias = None if self.bias is None else self.bias.to(x.dtype)
        return F.linear(x, self.weight.to(x.dtype), bias)


def gather_logits(
    x: LayerInput, weight: Float[Tensor, "... out width"], kind: Int[Tensor, "..."]
) -> Float[Tensor, "*units out"]:
    """Return each unit's logits in float32, by the matrix of its kind; units may be tokens or rows.

    All products are computed: a matrix for each unit would take more memory.
    """
    every = (x @ weight.to(x.dtype).flatten(0, 1).t()).unflatten(-1, weight.shape[:2])
    shape = (*every.shape[:-2], 1, every.shape[-1])
    chosen = kind.view(*kind.shape, *[1] * (every.ndim - kind.ndim)).expand(shape)
    return to_full_precision(every.gather(-2, chosen).squeeze(-2))


MAX_INIT_STD = 1e3
"""Far above any that trains; larger ones give infinite logits."""


def check_init_std(gate: object, init_std: float) -> None:
    """Raise ValueError unless `init_std` is a standard deviation, at least 0."""
    if not 0 <= init_std <= MAX_INIT_STD:
        given = f"{type(gate).__name__}(init_std={init_std!r})"
        raise ValueError(f"{given}: give a standard deviation from 0 to {MAX_INIT_STD:g}")


class Gate(ABC):
    """The input and form of a decision. Kinds are frozen keyword-only dataclasses."""

    needs_task_ids: ClassVar[bool] = False
    decides_per_sample: ClassVar[bool] = False
    """A sample's decision is made once and cached for its later tokens."""

    @property
    def prompt_span(self) -> str | None:
        """The part of the prompt that the gate averages, as `InstanceGate.span`; None for none."""
        return None

    @property
    def depends_on_task_only(self) -> bool:
        """True if the task alone decides, so that a task's mixture can be merged or exported."""
        return False

    def get_input_width(self, layer_width: int, embedding_width: int) -> int:
        """Return the width of the gate's input: the layer's, or that of the model's embeddings."""
        return layer_width

    def get_tie_group(self, name: str) -> str:
        """Return the key of the layers that share one decision with the layer called `name`."""
        return name

    @abstractmethod
    def build(self, width: int, experts: int, tasks: int) -> GateLayer:
        """Return new weights for inputs of `width` features; `tasks` is 0 if none were named."""
