"""`MeanError`: mean absolute or root mean square error of pixel values."""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float, Float64
from torch import Tensor

from coterie.metrics.dense.base import DenseMetric
from coterie.metrics.dense.labels import check_choice, to_numpy
from coterie.metrics.prediction import MapPrediction


@dataclass(frozen=True, kw_only=True)
class MeanError(DenseMetric):
    """The mean absolute or root mean square error over all labelled values, in label units.

    Attributes:
        exponent: 1 for mean absolute, 2 for root mean square.
    """

    higher_is_better: ClassVar[bool] = False
    unit: ClassVar[str] = ""
    limits: ClassVar[tuple[float, float]] = (0.0, math.inf)

    exponent: Literal[1, 2] = 1

    def __post_init__(self) -> None:
        check_choice("MeanError(exponent", self.exponent, (1, 2))

    def statistics(
        self,
        prediction: MapPrediction,
        label: Float[Tensor, "channels *place"],
    ) -> Float64[np.ndarray, " statistics"]:
        """Compute the sum of |difference|^exponent and the count."""
        found, right = to_numpy(prediction.values), to_numpy(label)
        known = ~np.isnan(right)
        return np.array([(abs(found - right)[known] ** self.exponent).sum(), known.sum()])

    def score(self, total: Float64[np.ndarray, " statistics"]) -> float:
        error, count = total.tolist()
        return (error / count) ** (1 / self.exponent) if count else float("nan")
