"""The share of predictions that contain an answer."""

from dataclasses import dataclass

import numpy as np

from coterie.metrics.base import Statistics, TextMetric, TextPrediction
from coterie.metrics.text.normalization import words_in


@dataclass(frozen=True, kw_only=True)
class ContainsAnswer(TextMetric):
    """Percent of predictions that contain one of the answers as full words (`words_in`).

    For models that answer in sentences; a long prediction may be right by chance.
    """

    name = "contains"

    def statistics(self, prediction: TextPrediction, answers: tuple[str, ...]) -> Statistics:
        words, *accepted = (f" {' '.join(words_in(x))} " for x in (prediction.text, *answers))
        return np.array([float(any(answer in words for answer in accepted)), 1.0])
