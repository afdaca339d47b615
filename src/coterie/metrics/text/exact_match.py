"""The share of predictions that equal an answer."""

from dataclasses import dataclass

import numpy as np

from coterie.metrics.base import Statistics, TextMetric, TextPrediction
from coterie.metrics.text.normalization import normalize
from coterie.metrics.text.option_letters import chooses_option


@dataclass(frozen=True, kw_only=True)
class ExactMatch(TextMetric):
    """Percent of predictions that are one of the answers, up to `normalize`.

    Where the answer is the letter of an option, such as "A", the letter that the prediction chooses
    counts (`find_option_letter`): "(A)" and "The answer is A." are right. If `strict`, texts are
    compared verbatim except for surrounding white space.
    """

    name = "exact"
    aliases = ("accuracy", "em")
    strict: bool = False

    def statistics(self, prediction: TextPrediction, answers: tuple[str, ...]) -> Statistics:
        form = str.strip if self.strict else normalize
        is_right = form(prediction.text) in map(form, answers)
        if not is_right and not self.strict:
            is_right = chooses_option(prediction.text, answers)
        return np.array([float(is_right), 1.0])
