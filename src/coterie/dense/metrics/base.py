"""What every metric of predicted pictures answers to."""

from abc import abstractmethod

import numpy as np
from jaxtyping import Float, Float64, Shaped
from torch import Tensor

from coterie.metrics.base import Measure


class DenseMetric(Measure):
    """How good a head's answer to one picture is. Kinds are frozen keyword-only dataclasses."""

    @abstractmethod
    def statistics(
        self, prediction: Float[Tensor, "channels *place"], label: Shaped[Tensor, "*label"]
    ) -> Float64[np.ndarray, " statistics"]:
        """Numbers that add up over pictures, all finite, always equally many.

        Args:
            prediction: what the head wrote, as it goes into the loss: logits where the kind says
                so, not probabilities.
            label: as the kind has it; pixels without a label do not count.
        """
