"""`Anls`: the average normalized Levenshtein similarity of document questions."""

from dataclasses import dataclass

import numpy as np

from coterie.metrics.base import Statistics, TextMetric, TextPrediction
from coterie.metrics.text.normalization import compose


@dataclass(frozen=True, kw_only=True)
class Anls(TextMetric):
    """Mean over samples, in percent, of 1 - NL, or 0 where NL is above `threshold`.

    Biten et al. 2019 (arXiv:1905.13648, eq. 1), as DocVQA (arXiv:2007.00398) and InfographicVQA
    use it: NL is the Levenshtein distance of the prediction and an answer, divided by the length of
    the longer one, up to case and white space; of several answers, the nearest is used. Departs: an
    NL of exactly `threshold` counts, as in the benchmarks' program, not as in eq. 1; and spaces
    around a text have no length, as they have there.
    """

    threshold: int | float = 0.5

    def __post_init__(self) -> None:
        if not (isinstance(self.threshold, int | float) and 0 < self.threshold <= 1):
            raise ValueError(
                f"Anls(threshold={self.threshold!r}): give a number above 0, at most 1"
            )

    def statistics(self, prediction: TextPrediction, answers: tuple[str, ...]) -> Statistics:
        nearest = min(compute_distance(prediction.text, answer) for answer in answers)
        return np.array([1 - nearest if nearest <= self.threshold else 0.0, 1.0])


def compute_distance(prediction: str, answer: str) -> float:
    """Compute the normalized Levenshtein distance of two texts, 0 to 1; 0 for two empty ones."""
    one, other = (" ".join(compose(text).lower().split()) for text in (prediction, answer))
    longest = max(len(one), len(other))
    return count_edits(one, other) / longest if longest else 0.0


def count_edits(one: str, other: str) -> int:
    """Count the insertions, deletions and substitutions of characters between two texts."""
    row = list(range(len(other) + 1))
    for i, character in enumerate(one, 1):
        above, row[0] = row[0], i
        for j, wanted in enumerate(other, 1):
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + (character != wanted))
    return row[-1]
