"""The chrF score of machine translation, on character n-grams."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from coterie.metrics.base import Statistics, TextMetric, TextPrediction
from coterie.metrics.text.normalization import compose
from coterie.optional_imports import import_optional


@dataclass(frozen=True, kw_only=True)
class Chrf(TextMetric):
    """Corpus chrF, 0 to 100, as `sacrebleu.corpus_chrf` computes it; the best answer counts.

    `word_order` is 0 for chrF, 2 for chrF++.
    """

    nearby = ("meteor",)
    unit = ""
    word_order: int = 0

    def statistics(self, prediction: TextPrediction, answers: tuple[str, ...]) -> Statistics:
        # Private functions of sacrebleu: its public ones return scores, which do not add up.
        predicted, references = compose(prediction.text), [[compose(each)] for each in answers]
        (found,) = self.make_scorer()._extract_corpus_statistics([predicted], references)
        return np.array(found, np.float64)

    def score(self, total: Statistics) -> float:
        if not total[1]:  # the characters of all answers
            return float("nan")
        return self.make_scorer()._compute_f_score([round(number) for number in total])

    def make_scorer(self) -> Any:
        return import_optional("sacrebleu.metrics", "evaluate").CHRF(word_order=self.word_order)
