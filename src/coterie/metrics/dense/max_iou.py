"""`MaxIoU`: IoU of saliency at the best threshold."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Float64
from torch import Tensor

from coterie.metrics.dense.base import DenseMetric
from coterie.metrics.dense.labels import to_numpy
from coterie.metrics.prediction import MapPrediction

THRESHOLDS = np.linspace(0.2, 0.9, 15)


@dataclass(frozen=True, kw_only=True)
class MaxIoU(DenseMetric):
    """The maximum mean IoU, in percent, over thresholds 0.2, 0.25, ..., 0.9.

    Predictions are logits; a pixel is salient where its probability is above the threshold. The
    IoU is that of salient pixels in one image, 1 where neither label nor prediction has any; then
    the mean over images; then the maximum over thresholds, as in the released code of M3ViT,
    which follows ASTMT (arXiv:1904.08918). The IoU of the background is not used.
    """

    name: ClassVar[str] = "max_iou"

    def statistics(
        self,
        prediction: MapPrediction,
        label: Float[Tensor, "1 height breadth"],
    ) -> Float64[np.ndarray, " statistics"]:
        """Compute the IoU at each threshold, and 1; zeros for an unlabelled image."""
        right = to_numpy(label)
        known = ~np.isnan(right)
        if not known.any():
            return np.zeros(len(THRESHOLDS) + 1)
        salient = right[known] > 0.5
        found = to_numpy(prediction.values.float().sigmoid())[known] > THRESHOLDS[:, None]
        both, union = (found & salient).sum(1), (found | salient).sum(1)
        return np.append(np.where(union > 0, both / np.maximum(union, 1), 1.0), 1.0)

    def score(self, total: Float64[np.ndarray, " statistics"]) -> float:
        return float(100 * total[:-1].max() / total[-1]) if total[-1] else float("nan")
