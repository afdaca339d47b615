"""`LayerFeatures`: what a layer with experts was called with, for losses on more than decisions."""

from dataclasses import dataclass

from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class LayerFeatures:
    """The input of a layer, token by token, and its low-rank experts.

    Attributes:
        x: the input.
        sample: the sample of each token; None where rows are not those of samples.
        modality: index into `Routing.modalities`; None if it is not known.
        valid: False for padding; None if nothing is padded.
        down, up, ranks: of the routed experts as in `LowRankFactors`; None and none for experts
            that are no low-rank changes.
    """

    x: Float[Tensor, "tokens width"]
    sample: Int[Tensor, " tokens"] | None = None
    modality: Int[Tensor, " tokens"] | None = None
    valid: Bool[Tensor, " tokens"] | None = None
    down: Float[Tensor, "rank width"] | None = None
    up: Float[Tensor, "rank out"] | None = None
    ranks: tuple[int, ...] = ()
