"""`Cider`: the consensus of captions, on n-grams weighted by how rare they are."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from coterie.metrics.base import Statistics, TextMetric, TextPrediction
from coterie.metrics.text.normalization import normalize_speech, split_unspaced

LONGEST = 4
SIGMA = 6.0
Gram = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Cider(TextMetric):
    """CIDEr-D of captions, times 100 as papers print it: 0, up to 1000 for the answer itself.

    Vedantam et al. 2015 (arXiv:1411.5726, section 5.2), as coco-caption computes it: the mean over
    n = 1 to 4 and over the answers of the cosine between n-gram counts times log(rows / rows whose
    answers have the n-gram), predicted counts clipped to the answer's, times a Gaussian of the
    difference in length (sigma 6 words), times 10. `fit` takes the frequencies from a split's
    answers, so that scores of several splits cannot be compared, and with one row all are 0.

    Departs: words are those of `normalize_speech`, and not of the Stanford tokenizer.
    """

    aliases = ("cider_d",)
    nearby = ("meteor", "spice")
    unit = ""
    limits = (0.0, 1000.0)
    rows: int = field(default=0, init=False, compare=False)
    frequencies: Mapping[Gram, int] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )

    def fit(self, answers: Iterable[tuple[str, ...]]) -> "Cider":
        rows = list(answers)
        seen = Counter(gram for row in rows for gram in {g for text in row for g in count(text)})
        metric = replace(self)
        object.__setattr__(metric, "rows", len(rows))
        object.__setattr__(metric, "frequencies", dict(seen))
        return metric

    def statistics(self, prediction: TextPrediction, answers: tuple[str, ...]) -> Statistics:
        if not self.rows:
            raise ValueError("Cider(): call `fit` with the answers of the split first")
        predicted = count(prediction.text)
        found = [self.compare(predicted, count(answer)) for answer in answers]
        return np.array([1000 * sum(found) / len(found), 1.0])

    def compare(self, predicted: Counter[Gram], answer: Counter[Gram]) -> float:
        """Compute the similarity of two captions' n-grams, 0 to 1."""
        # coco-caption measures the length of a caption by its pairs of words.
        lengths = (sum(c for g, c in each.items() if len(g) == 2) for each in (predicted, answer))
        penalty = math.exp(-((next(lengths) - next(lengths)) ** 2) / (2 * SIGMA**2))
        return penalty * sum(
            self.compute_cosine(predicted, answer, length) for length in range(1, LONGEST + 1)
        ) / LONGEST  # fmt: skip

    def compute_cosine(self, predicted: Counter[Gram], answer: Counter[Gram], length: int) -> float:
        """Compute the cosine of the n-grams of a length, with clipped counts."""
        one, other = (
            {
                gram: number * self.weigh(gram)
                for gram, number in each.items()
                if len(gram) == length
            }
            for each in (predicted, answer)
        )
        product = sum(min(one[gram], other[gram]) * other[gram] for gram in one if gram in other)
        norms = math.sqrt(sum(x**2 for x in one.values()) * sum(x**2 for x in other.values()))
        return product / norms if norms else 0.0

    def weigh(self, gram: Gram) -> float:
        """Compute the weight of an n-gram: the logarithm of the share of rows that have it."""
        return math.log(self.rows) - math.log(max(1, self.frequencies.get(gram, 0)))

    def score(self, total: Statistics) -> float:
        return float(total[0] / total[1]) if total[1] else math.nan


def count(text: str) -> Counter[Gram]:
    """Count the n-grams of a text's words, n from 1 to 4."""
    words = split_unspaced(normalize_speech(text)).split()
    return Counter(
        tuple(words[start : start + length])
        for length in range(1, LONGEST + 1)
        for start in range(len(words) - length + 1)
    )
