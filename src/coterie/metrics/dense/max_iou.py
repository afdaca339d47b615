"""`MaxIoU`: IoU of saliency at the best threshold."""

from dataclasses import dataclass

import numpy as np

from coterie.metrics.base import DenseMetric, MapPrediction, Statistics, compute_percent
from coterie.metrics.dense.labels import THRESHOLDS, ScalarMap, threshold_saliency


@dataclass(frozen=True, kw_only=True)
class MaxIoU(DenseMetric):
    """The maximum mean IoU, in percent, over thresholds 0.2, 0.25, ..., 0.9.

    Predictions are logits; a pixel is salient where its probability is above the threshold. The
    IoU is that of salient pixels in one image, 1 where neither label nor prediction has any; then
    the mean over images; then the maximum over thresholds, as in the released code of M3ViT,
    which follows ASTMT (arXiv:1904.08918). The IoU of the background is not used.
    """

    name = "max_iou"

    def statistics(self, prediction: MapPrediction, label: ScalarMap) -> Statistics:
        """Compute the IoU at each threshold, and 1; zeros for an unlabelled image."""
        found, salient = threshold_saliency(prediction, label)
        if not salient.size:
            return np.zeros(len(THRESHOLDS) + 1)
        both, union = (found & salient).sum(1), (found | salient).sum(1)
        return np.append(np.where(union > 0, both / np.maximum(union, 1), 1.0), 1.0)

    def score(self, total: Statistics) -> float:
        return compute_percent(total[:-1].max(), total[-1])
