"""The share of predictions that contain an answer."""

from dataclasses import dataclass

import numpy as np

from coterie.metrics.base import Statistics, TextMetric, TextPrediction
from coterie.metrics.text.normalization import words_in
from coterie.metrics.text.option_letters import chooses_option


@dataclass(frozen=True, kw_only=True)
class ContainsAnswer(TextMetric):
    """Percent of predictions that contain one of the answers as full words (`words_in`).

    For models that answer in sentences; a long prediction may be right by chance. Of an option's
    letter, the letter that the prediction chooses counts too, as in `ExactMatch`.
    """

    name = "contains"

    def statistics(self, prediction: TextPrediction, answers: tuple[str, ...]) -> Statistics:
        words, *accepted = (f" {' '.join(words_in(x))} " for x in (prediction.text, *answers))
        is_right = any(answer in words for answer in accepted)
        return np.array([float(is_right or chooses_option(prediction.text, answers)), 1.0])
