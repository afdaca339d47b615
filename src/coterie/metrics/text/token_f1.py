"""`TokenF1`: F1 of the words that predictions and answers share."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from coterie.metrics.base import Statistics, TextMetric, TextPrediction
from coterie.metrics.text.normalization import words_in


@dataclass(frozen=True, kw_only=True)
class TokenF1(TextMetric):
    """Mean over samples, in percent, of the F1 of words: SQuAD's (arXiv:1606.05250 section 6.1).

    Words are those of `words_in`; of several answers, the best is used.
    """

    nearby = ("f1",)

    def statistics(self, prediction: TextPrediction, answers: tuple[str, ...]) -> Statistics:
        return np.array([max(compute_f1(prediction.text, answer) for answer in answers), 1.0])


def compute_f1(prediction: str, answer: str) -> float:
    """Compute the F1 of the words of two texts, 0 to 1; 1 if both are empty, as in SQuAD 2.0."""
    predicted, right = Counter(words_in(prediction)), Counter(words_in(answer))
    if not predicted and not right:
        return 1.0
    return 2 * (predicted & right).total() / (predicted.total() + right.total())
