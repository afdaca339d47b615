"""`VqaAccuracy`: the accuracy of VQA, where ten people answered each question."""

from dataclasses import dataclass

import numpy as np

from coterie.metrics.base import Statistics, TextMetric, TextPrediction
from coterie.metrics.text.vqa_normalization import normalize_vqa

PEOPLE = 10


@dataclass(frozen=True, kw_only=True)
class VqaAccuracy(TextMetric):
    """Mean over samples, in percent, of min(n / 3, 1), where n people gave the predicted answer.

    Antol et al. 2015 (arXiv:1505.00468), as the evaluation of VQA v2 computes it (also of OK-VQA,
    TextVQA and VizWiz): of the ten answers each is left out in turn, and the mean is taken, so that
    an answer of 1, 2, 3 or more people counts 0.3, 0.6, 0.9 or 1. Texts are compared up to
    `normalize_vqa`. Give each person's answer: `answer: [red, red, dark red, ...]`.

    Departs: a row with m < 10 answers is scored as though each had been given 10 / m times, so that
    the only answer of a row is right.
    """

    aliases = ("vqa",)

    def statistics(self, prediction: TextPrediction, answers: tuple[str, ...]) -> Statistics:
        predicted = normalize_vqa(prediction.text)
        people = max(PEOPLE, len(answers))
        given = sum(normalize_vqa(answer) == predicted for answer in answers)
        same = given * people / len(answers)
        # Without one who gave this answer there are same - 1, without another all of them.
        left_out = same * min(max(same - 1, 0.0) / 3, 1.0)
        others = (people - same) * min(same / 3, 1.0)
        return np.array([(left_out + others) / people, 1.0])
