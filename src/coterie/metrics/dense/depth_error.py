"""Depth errors: RMSE and absolute relative error."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from coterie.annotations import check_choices
from coterie.metrics.base import DenseMetric, MapPrediction, Statistics, compute_ratio
from coterie.metrics.dense.labels import METRES, DepthScale, ScalarMap, to_numpy


@dataclass(frozen=True, kw_only=True)
class DepthError(DenseMetric):
    """The error of depths over all labelled pixels (Eigen et al., arXiv:1406.2283).

    "rmse" is the root mean square of the difference, in metres; "abs_rel" the mean of
    |difference| / true depth, a ratio. Predictions outside the range of depths are clamped to it.
    A true depth of 0 counts as unlabelled, as in the released code of M3ViT.

    Attributes:
        scale: the depth encoding of labels and predictions.
        report: "rmse" or "abs_rel".
    """

    higher_is_better = False
    limits = (0.0, math.inf)
    scale: DepthScale = METRES
    report: Literal["rmse", "abs_rel"] = "rmse"

    def __post_init__(self) -> None:
        check_choices(self)

    # The unit is a class attribute elsewhere; here it depends on `report`.
    @property
    def unit(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return {"rmse": "m", "abs_rel": ""}[self.report]

    def statistics(self, prediction: MapPrediction, label: ScalarMap) -> Statistics:
        """Compute the sum of squared errors, the sum of relative errors, and the pixel count."""
        found, right = (to_numpy(self.scale.decode(x.double())) for x in (prediction.values, label))
        known = right > 0  # not where it is NaN
        error, right = abs(found - right)[known], right[known]
        return np.array([(error**2).sum(), (error / right).sum(), known.sum()])

    def score(self, total: Statistics) -> float:
        squares, ratios, count = total
        is_rmse = self.report == "rmse"
        return math.sqrt(compute_ratio(squares, count)) if is_rmse else compute_ratio(ratios, count)
