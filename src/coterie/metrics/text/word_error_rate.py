"""Words to change from the predictions to the answers."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float64

from coterie.metrics.base import TextMetric, compute_percent
from coterie.metrics.prediction import TextPrediction
from coterie.metrics.text.edit_distance import count_edits


@dataclass(frozen=True, kw_only=True)
class WordErrorRate(TextMetric):
    """Words put in, left out and changed, in percent of those of all answers, by jiwer.

    0 is perfect; it can be above 100. Of several answers, the one nearest to the prediction counts.

    Attributes:
        normalize: case and punctuation do not count (`words.spoken`).
    """

    higher_is_better: ClassVar[bool] = False
    limits: ClassVar[tuple[float, float]] = (0.0, math.inf)
    alias: ClassVar[str] = "wer"

    normalize: bool = True

    def statistics(
        self, prediction: TextPrediction, answers: tuple[str, ...]
    ) -> Float64[np.ndarray, " statistics"]:
        return count_edits(prediction.text, answers, of="process_words", normalize=self.normalize)

    def score(self, total: Float64[np.ndarray, " statistics"]) -> float:
        return compute_percent(*total)
