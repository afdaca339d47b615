"""The share of predictions that equal an answer."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float64

from coterie.metrics.base import TextMetric, compute_percent
from coterie.metrics.prediction import TextPrediction
from coterie.metrics.text.normalization import normalize


@dataclass(frozen=True, kw_only=True)
class ExactMatch(TextMetric):
    """Percent of predictions that are one of the answers, up to `normalize`.

    Attributes:
        strict: compare the texts verbatim except for surrounding white space.
    """

    name: ClassVar[str] = "exact"

    strict: bool = False

    def statistics(
        self, prediction: TextPrediction, answers: tuple[str, ...]
    ) -> Float64[np.ndarray, " statistics"]:
        form = str.strip if self.strict else normalize
        return np.array([float(form(prediction.text) in map(form, answers)), 1.0])

    def score(self, total: Float64[np.ndarray, " statistics"]) -> float:
        return compute_percent(*total)
