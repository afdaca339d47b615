"""`MaxF`: F-measure of saliency at the best threshold."""

from dataclasses import dataclass

import numpy as np

from coterie.metrics.base import DenseMetric, MapPrediction, Statistics
from coterie.metrics.dense.labels import THRESHOLDS, ScalarMap, threshold_saliency


@dataclass(frozen=True, kw_only=True)
class MaxF(DenseMetric):
    """The maximum F-measure, in percent, over thresholds 0.2, 0.25, ..., 0.9.

    F = (1 + b) * P * R / (b * P + R), with b for beta squared (Achanta et al., CVPR 2009).
    Precision P and recall R are means over images, and 0 for an image where they are undefined, as
    in ASTMT's code (arXiv:1904.08918). Predictions are logits; above the threshold is salient.

    Departs: that code has b = 1; 0.3 is usual for saliency. `beta_squared` is above 0; below 1,
    precision counts more.
    """

    beta_squared: float = 0.3

    def __post_init__(self) -> None:
        if not 0 < self.beta_squared < float("inf"):
            raise ValueError(f"MaxF(beta_squared={self.beta_squared!r}): give a number above 0")

    def statistics(self, prediction: MapPrediction, label: ScalarMap) -> Statistics:
        """Compute precision and recall at each threshold, and 1; zeros for an unlabelled image."""
        found, salient = threshold_saliency(prediction, label)
        if not salient.size:
            return np.zeros(2 * len(THRESHOLDS) + 1)
        both = (found & salient).sum(1)
        precision, recall = both / np.maximum(found.sum(1), 1), both / max(salient.sum(), 1)
        return np.concatenate((precision, recall, [1.0]))

    def score(self, total: Statistics) -> float:
        if not total[-1]:
            return float("nan")
        precision, recall = (total[:-1] / total[-1]).reshape(2, -1)
        below = self.beta_squared * precision + recall
        above = (1 + self.beta_squared) * precision * recall
        return float(100 * np.divide(above, below, out=np.zeros_like(below), where=below > 0).max())
