"""The share of predictions that equal an answer."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from coterie.metrics.base import TextMetric, compute_percent
from coterie.metrics.text.normalization import normalize


@dataclass(frozen=True, kw_only=True)
class ExactMatch(TextMetric):
    """Percent of predictions that are one of the answers, up to `words.normal`.

    Attributes:
        strict: compare as it stands, but for white space around.
    """

    strict: bool = False

    def statistics(
        self, prediction: str, answers: tuple[str, ...]
    ) -> Float64[np.ndarray, " statistics"]:
        form = str.strip if self.strict else normalize
        return np.array([float(form(prediction) in map(form, answers)), 1.0])

    def score(self, total: Float64[np.ndarray, " statistics"]) -> float:
        return compute_percent(*total)
