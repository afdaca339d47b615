"""The BLEU score of machine translation."""

from dataclasses import dataclass

import numpy as np

from coterie.metrics.base import Statistics, TextMetric, TextPrediction
from coterie.metrics.text.normalization import compose
from coterie.optional_imports import import_optional


@dataclass(frozen=True, kw_only=True)
class Bleu(TextMetric):
    """Corpus BLEU, 0 to 100, as `sacrebleu.corpus_bleu` computes it; all answers are references.

    `tokenize` is the name of sacrebleu's tokenizer, such as "13a", "intl", "char" or "none".
    """

    nearby = ("bleu4",)
    unit = ""
    tokenize: str = "13a"

    def statistics(self, prediction: TextPrediction, answers: tuple[str, ...]) -> Statistics:
        bleu = import_optional("sacrebleu.metrics", "evaluate").BLEU(tokenize=self.tokenize)
        references = [[compose(answer)] for answer in answers]
        found = bleu.corpus_score([compose(prediction.text)], references)
        return np.array([*found.counts, *found.totals, found.sys_len, found.ref_len], np.float64)

    def score(self, total: Statistics) -> float:
        numbers = [round(number) for number in total]
        if not numbers[-1]:
            return float("nan")
        bleu = import_optional("sacrebleu.metrics", "evaluate").BLEU
        return bleu.compute_bleu(numbers[:4], numbers[4:8], *numbers[8:], smooth_method="exp").score
