"""The share of predictions in which an answer stands."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from coterie.metrics.base import Metric, percent
from coterie.metrics.words import normal


@dataclass(frozen=True, kw_only=True)
class Contains(Metric):
    """Percent of predictions with one of the answers in them as whole words, up to `words.normal`.

    For models that wrap the answer into a sentence; a long prediction may be right by chance.
    """

    def statistics(
        self, prediction: str, answers: tuple[str, ...]
    ) -> Float64[np.ndarray, " statistics"]:
        words = f" {normal(prediction)} "
        return np.array([float(any(f" {normal(answer)} " in words for answer in answers)), 1.0])

    def score(self, total: Float64[np.ndarray, " statistics"]) -> float:
        return percent(*total)
