"""`Top1`: agreement of the most probable class with the teacher's."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from coterie.metrics.base import DenseMetric, MapPrediction, Statistics


@dataclass(frozen=True, kw_only=True)
class Top1(DenseMetric):
    """The share of images, in percent, whose argmax is that of the soft target.

    As in the released code of Mod-Squad; a target with a NaN is skipped.
    """

    def statistics(self, prediction: MapPrediction, label: Float[Tensor, " classes"]) -> Statistics:
        """Compute 1 if they agree else 0, and 1; zeros without a target."""
        if label.isnan().any():
            return np.zeros(2)
        return np.array([prediction.values.argmax().item() == label.argmax().item(), 1.0])
