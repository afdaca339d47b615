"""What every gate answers to: which logits belong to which token or sample."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

from coterie.routing.context import RoutingContext


@dataclass(frozen=True, kw_only=True)
class LayerSite:
    """Where a gate sits: what it may need to know beyond the tensor it is given.

    Attributes:
        name: the layer's name in the model.
        tower: "text", "vision", "audio" or "connector".
        tie_group: layers of one group share one decision a sample.
    """

    name: str
    tower: str
    tie_group: str


class GateOutput(NamedTuple):
    """A gate's answer: logits, or the matrix (and bias) that makes them of every token.

    `per_sample`: the logits' first axis is the first axis of `x` and there is no token axis.
    `uniform`: there is one row of logits, for everybody.
    """

    logits: Float[Tensor, "*units experts"] | None = None
    gate_weight: Float[Tensor, "experts width"] | None = None
    gate_bias: Float[Tensor, " experts"] | None = None
    per_sample: bool = False
    is_uniform: bool = False


class GateLayer(nn.Module, ABC):
    """A gate's weights at one module of the host; parameters sit directly on it."""

    @abstractmethod
    def forward(
        self, x: Float[Tensor, "*units width"], context: RoutingContext, site: LayerSite
    ) -> GateOutput:
        """The answer for the layer input `x`. Raises ValueError if `state` lacks what it needs."""


class Gate(ABC):
    """What a decision looks at. Kinds are frozen keyword-only dataclasses with valid defaults."""

    @property
    def needs_task_ids(self) -> bool:
        """True if the gate cannot do without task ids."""
        return False

    @property
    def depends_on_task_only(self) -> bool:
        """True if the task alone decides, so that a task's mixture can be folded or exported."""
        return False

    @property
    def decides_per_sample(self) -> bool:
        """True if a sample's decision is made once and kept for its later tokens."""
        return False

    def get_input_width(self, layer_width: int, embedding_width: int) -> int:
        """Features the gate reads: the layer's input, or the language model's embeddings."""
        return layer_width

    def get_tie_group(self, name: str) -> str:
        """Key of the layers that share one decision with the layer called `name`."""
        return name

    @abstractmethod
    def build(self, width: int, experts: int, tasks: int) -> GateLayer:
        """New weights for inputs of `width` features; `tasks` is 0 if none were named."""
