"""`MeanAngularError`: the mean angle between predicted and true normals."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from coterie.metrics.base import DenseMetric, MapPrediction, Statistics
from coterie.metrics.dense.labels import to_numpy


@dataclass(frozen=True, kw_only=True)
class MeanAngularError(DenseMetric):
    """The mean angle between predicted and true normals over all labelled pixels, in degrees.

    Both are normalised first; a prediction of length 0 has an error of 90 degrees. All pixels have
    equal weight, so an image with more labels counts more, as in the released code of M3ViT.
    """

    higher_is_better = False
    unit = "deg"
    limits = (0.0, 180.0)

    def statistics(
        self, prediction: MapPrediction, label: Float[Tensor, "3 height breadth"]
    ) -> Statistics:
        """Compute the sum of angles and the pixel count."""
        found, right = to_numpy(prediction.values), to_numpy(label)
        known = ~np.isnan(right).any(0)
        found, right = found[:, known], right[:, known]
        lengths = np.linalg.norm(found, axis=0) * np.linalg.norm(right, axis=0)
        cosine = (found * right).sum(0) / np.maximum(lengths, np.finfo(np.float64).tiny)
        return np.array([np.degrees(np.arccos(cosine.clip(-1, 1))).sum(), known.sum()])
