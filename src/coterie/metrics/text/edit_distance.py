"""`EditRate`: error rates based on edit distance."""

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float64

from coterie.metrics.base import TextMetric, compute_percent
from coterie.metrics.prediction import TextPrediction
from coterie.metrics.text.normalization import normalize_speech
from coterie.optional_imports import import_optional


@dataclass(frozen=True, kw_only=True)
class EditRate(TextMetric):
    """Insertions, deletions and substitutions in percent of the answers' length, by jiwer.

    0 is perfect; it can exceed 100. Of several answers, the nearest to the prediction is used.

    Attributes:
        normalize: ignore letter case and punctuation, see `normalize_speech`.
    """

    higher_is_better: ClassVar[bool] = False
    limits: ClassVar[tuple[float, float]] = (0.0, math.inf)

    normalize: bool = True

    @property
    @abstractmethod
    def jiwer_function(self) -> str:
        """Name of the jiwer function that counts edits in this metric's unit."""

    def statistics(
        self, prediction: TextPrediction, answers: tuple[str, ...]
    ) -> Float64[np.ndarray, " statistics"]:
        """Return (edits, length of the answer) for the answer with the fewest edits by length."""
        form: Callable[[str], str] = normalize_speech if self.normalize else str
        count = getattr(import_optional("jiwer", "evaluate"), self.jiwer_function)
        outputs = [count(form(answer), form(prediction.text)) for answer in answers]
        return min(map(read_edit_counts, outputs), key=lambda pair: pair[0] / max(pair[1], 1))

    def score(self, total: Float64[np.ndarray, " statistics"]) -> float:
        return compute_percent(*total)


def read_edit_counts(output: Any) -> Float64[np.ndarray, " statistics"]:
    """Return (edits, length of the answer) of jiwer's output."""
    wrong = output.substitutions + output.deletions
    return np.array([wrong + output.insertions, wrong + output.hits], np.float64)
