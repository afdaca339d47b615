"""The share of predictions that contain an answer."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float64

from coterie.metrics.base import TextMetric, compute_percent
from coterie.metrics.prediction import TextPrediction
from coterie.metrics.text.normalization import words_in


@dataclass(frozen=True, kw_only=True)
class ContainsAnswer(TextMetric):
    """Percent of predictions that contain one of the answers as full words (`words_in`).

    For models that answer in sentences; a long prediction may be right by chance.
    """

    name: ClassVar[str] = "contains"

    def statistics(
        self, prediction: TextPrediction, answers: tuple[str, ...]
    ) -> Float64[np.ndarray, " statistics"]:
        words = spaced(prediction.text)
        return np.array([float(any(spaced(answer) in words for answer in answers)), 1.0])

    def score(self, total: Float64[np.ndarray, " statistics"]) -> float:
        return compute_percent(*total)


def spaced(text: str) -> str:
    """Return the words of a text, separated and surrounded by spaces."""
    return f" {' '.join(words_in(text))} "
