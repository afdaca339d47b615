"""`MeanError`: mean absolute or root mean square error of pixel values."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from torch import Tensor

from coterie.annotations import check_choices
from coterie.metrics.base import DenseMetric, MapPrediction, Statistics, compute_ratio
from coterie.metrics.dense.labels import to_numpy


@dataclass(frozen=True, kw_only=True)
class MeanError(DenseMetric):
    """Mean absolute (`exponent` 1) or root mean square (2) error, in the unit of the label."""

    higher_is_better = False
    unit = ""
    limits = (0.0, math.inf)
    exponent: Literal[1, 2] = 1

    def __post_init__(self) -> None:
        check_choices(self)

    def statistics(
        self, prediction: MapPrediction, label: Float[Tensor, "channels *place"]
    ) -> Statistics:
        """Compute the sum of |difference|^exponent and the count."""
        found, right = to_numpy(prediction.values), to_numpy(label)
        known = ~np.isnan(right)
        return np.array([(abs(found - right)[known] ** self.exponent).sum(), known.sum()])

    def score(self, total: Statistics) -> float:
        return compute_ratio(*total) ** (1 / self.exponent)
