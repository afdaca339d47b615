"""`NumericMatch`: the share of predictions whose number is close to an answer."""

import math
import re
from dataclasses import dataclass

import numpy as np

from coterie.metrics.base import Statistics, TextMetric, TextPrediction
from coterie.metrics.text.normalization import fold
from coterie.metrics.text.number_parsing import RANGE, is_in_brackets, parse_range, parse_ranges

YEAR = re.compile(
    r"[\s(]*(?:(?:in|of|since|by|until|from)\s+)?(?:the\s+)?"
    r"(?:year:?\s+|fy\s*|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*[.,]?\s+)?"
    r"(?:1[5-9]|20|21)\d\d[\s.,;)]*"
)


@dataclass(frozen=True, kw_only=True)
class NumericMatch(TextMetric):
    """Percent of predictions whose number (see `parse_range`) is within a tolerance of an answer.

    An answer that is a range, such as "3-5", accepts the numbers within it; a predicted range is
    right if both of its ends are: "3 to 5" is not 4, and "99-101" is within 5 % of 100.

    With 0.05, for numbers, the relaxed accuracy of ChartQA (arXiv:2203.10244) as pix2struct and
    lmms-eval compute it: a number before a percent sign is divided by 100, so that "95%" is right
    for "0.95" and wrong for "95". An answer of 0 must be matched exactly. A prediction such as
    "(5)" may stand for 5 and, as in accounts, for -5.

    Attributes:
        tolerance: relative, at least 0: 0.05 accepts 95 to 105 for 100.
        exact_years: an answer that is four digits from 1500 to 2199, without a unit, or with a
            month before them, must be matched exactly, as in ChartQAPro (arXiv:2504.05506): 2008
            is not 2010. ChartQA itself accepts it; false computes that, and is for quantities.
    """

    name = "numeric"
    tolerance: int | float = 0.05
    exact_years: bool = True

    def __post_init__(self) -> None:
        if not (isinstance(self.tolerance, int | float) and 0 <= self.tolerance < math.inf):
            raise ValueError(
                f"NumericMatch(tolerance={self.tolerance!r}): give a number, at least 0"
            )
        if not isinstance(self.exact_years, bool):
            raise ValueError(f"NumericMatch(exact_years={self.exact_years!r}): give true or false")

    def check(self, answers: tuple[str, ...]) -> None:
        parse_ranges(answers)

    def statistics(self, prediction: TextPrediction, answers: tuple[str, ...]) -> Statistics:
        predicted = parse_range(prediction.text, divides_percent=True)
        if predicted is None:
            return np.array([0.0, 1.0])
        given = [predicted]
        if is_in_brackets(prediction.text):
            given.append((-predicted[1], -predicted[0]))
        ranges = zip(answers, parse_ranges(answers, divides_percent=True), strict=True)
        is_near = any(
            low - first <= self.get_tolerance(answer) * abs(low)
            and last - high <= self.get_tolerance(answer) * abs(high)
            for answer, (low, high) in ranges
            for first, last in given
        )
        return np.array([float(is_near), 1.0])

    def get_tolerance(self, answer: str) -> float:
        """Return the relative tolerance for an answer, with room for rounding."""
        if self.exact_years and all(map(YEAR.fullmatch, RANGE.split(fold(answer)))):
            return 0.0
        return self.tolerance * (1 + 1e-12)  # 95 for 100
