"""The ROUGE-L score of summaries and captions."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from coterie.metrics.base import Statistics, TextMetric, TextPrediction
from coterie.metrics.text.normalization import compose
from coterie.optional_imports import import_optional


@dataclass(frozen=True, kw_only=True)
class RougeL(TextMetric):
    """Mean F-measure of the longest common subsequence of words, in percent, by rouge-score.

    Its words consist of letters a to z and digits: other scripts score 0. Of several answers, the
    best is used. If `stem`, Porter stems are compared, so that "cats" matches "cat".
    """

    nearby = ("rouge", "rouge1", "rouge2", "rouge_lsum", "meteor")
    stem: bool = False

    def statistics(self, prediction: TextPrediction, answers: tuple[str, ...]) -> Statistics:
        targets = [compose(answer) for answer in answers]
        found = make_scorer(self.stem).score_multi(targets, compose(prediction.text))
        return np.array([found["rougeL"].fmeasure, 1.0])


@lru_cache
def make_scorer(stem: bool) -> Any:
    """Return rouge-score's scorer, which is stateless."""
    return import_optional("rouge_score.rouge_scorer", "evaluate").RougeScorer(["rougeL"], stem)
