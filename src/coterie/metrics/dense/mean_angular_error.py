"""By what angle predicted normals are off."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Float64
from torch import Tensor

from coterie.metrics.dense.base import DenseMetric
from coterie.metrics.dense.labels import to_numpy
from coterie.metrics.prediction import MapPrediction


@dataclass(frozen=True, kw_only=True)
class MeanAngularError(DenseMetric):
    """The mean angle between predicted and true normal over all labelled pixels, in degrees.

    Both are divided by their lengths first; a prediction of length 0 is off by 90 degrees. Each
    pixel counts alike, and so a picture with more labels counts more, as in the released code of
    M3ViT.
    """

    higher_is_better: ClassVar[bool] = False
    unit: ClassVar[str] = "deg"
    limits: ClassVar[tuple[float, float]] = (0.0, 180.0)

    def statistics(
        self,
        prediction: MapPrediction,
        label: Float[Tensor, "3 height breadth"],
    ) -> Float64[np.ndarray, " statistics"]:
        """The sum of angles, and how many there are."""
        found, right = to_numpy(prediction.values), to_numpy(label)
        known = ~np.isnan(right).any(0)
        found, right = found[:, known], right[:, known]
        lengths = np.linalg.norm(found, axis=0) * np.linalg.norm(right, axis=0)
        cosine = (found * right).sum(0) / np.maximum(lengths, np.finfo(np.float64).tiny)
        return np.array([np.degrees(np.arccos(cosine.clip(-1, 1))).sum(), known.sum()])

    def score(self, total: Float64[np.ndarray, " statistics"]) -> float:
        angle, count = total.tolist()
        return angle / count if count else float("nan")
