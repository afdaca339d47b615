"""The share of predictions in which an answer stands."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from coterie.metrics.base import TextMetric, compute_percent
from coterie.metrics.text.normalization import words_in


@dataclass(frozen=True, kw_only=True)
class ContainsAnswer(TextMetric):
    """Percent of predictions with one of the answers in them as whole words (`words.words_in`).

    For models that wrap the answer into a sentence; a long prediction may be right by chance.
    """

    def statistics(
        self, prediction: str, answers: tuple[str, ...]
    ) -> Float64[np.ndarray, " statistics"]:
        words = spaced(prediction)
        return np.array([float(any(spaced(answer) in words for answer in answers)), 1.0])

    def score(self, total: Float64[np.ndarray, " statistics"]) -> float:
        return compute_percent(*total)


def spaced(text: str) -> str:
    """The words of a text, with a space before and after each."""
    return f" {' '.join(words_in(text))} "
