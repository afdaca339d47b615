"""The share of predictions that equal an answer."""

from dataclasses import dataclass

import numpy as np

from coterie.metrics.base import Statistics, TextMetric, TextPrediction
from coterie.metrics.text.normalization import normalize


@dataclass(frozen=True, kw_only=True)
class ExactMatch(TextMetric):
    """Percent of predictions that are one of the answers, up to `normalize`.

    If `strict`, texts are compared verbatim except for surrounding white space.
    """

    name = "exact"
    strict: bool = False

    def statistics(self, prediction: TextPrediction, answers: tuple[str, ...]) -> Statistics:
        form = str.strip if self.strict else normalize
        return np.array([float(form(prediction.text) in map(form, answers)), 1.0])
