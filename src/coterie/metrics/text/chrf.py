"""The chrF score of machine translation, on character n-grams."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float64

from coterie.metrics.base import TextMetric
from coterie.metrics.prediction import TextPrediction
from coterie.optional_imports import import_optional


@dataclass(frozen=True, kw_only=True)
class Chrf(TextMetric):
    """Corpus chrF, 0 to 100, as `sacrebleu.corpus_chrf` computes it; the best answer counts.

    Attributes:
        word_order: 0 for chrF, 2 for chrF++.
    """

    unit: ClassVar[str] = ""

    word_order: int = 0

    def statistics(
        self, prediction: TextPrediction, answers: tuple[str, ...]
    ) -> Float64[np.ndarray, " statistics"]:
        # Private functions of sacrebleu: its public ones return scores, which do not add up.
        found = self.make_scorer()._extract_corpus_statistics(
            [prediction.text], [[item] for item in answers]
        )
        return np.array(found[0], np.float64)

    def score(self, total: Float64[np.ndarray, " statistics"]) -> float:
        if not total[1]:  # the characters of all answers
            return float("nan")
        return self.make_scorer()._compute_f_score([round(number) for number in total])

    def make_scorer(self) -> Any:
        """Return sacrebleu's chrF scorer."""
        return import_optional("sacrebleu.metrics", "evaluate").CHRF(word_order=self.word_order)
