"""`RecallAtK`: the share of queries whose own candidate is among the k nearest."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from coterie.metrics.base import Metric, Statistics, compute_percent

LEVELS = (1, 5, 10)
DIRECTIONS = ("query to candidate", "candidate to query")


@dataclass(frozen=True, kw_only=True)
class RankPrediction:
    """The ranks of a pair, from 1: of the candidate for its query, and of the query for it."""

    candidate: int
    query: int


@dataclass(frozen=True, kw_only=True)
class RecallAtK(Metric):
    """R@k in percent, the mean of both directions; R@1, R@5 and R@10 of each are beside it.

    The samples of a split rank each other, so an interval over samples is for a gallery as it is.

    Attributes:
        k: 1, 5 or 10.
    """

    prediction_type = RankPrediction
    k: int = 1

    def __post_init__(self) -> None:
        if self.k not in LEVELS:
            raise ValueError(f"RecallAtK(k={self.k}): give one of {LEVELS}")

    def statistics(self, prediction: RankPrediction) -> Statistics:
        """Return the hits at each level in one direction, in the other, and 1."""
        ranks = (prediction.candidate, prediction.query)
        hits = [float(rank <= level) for rank in ranks for level in LEVELS]
        return np.array([*hits, 1.0])

    def score(self, total: Statistics) -> float:
        hits = total[:-1].reshape(len(DIRECTIONS), len(LEVELS))[:, LEVELS.index(self.k)]
        return compute_percent(hits.mean(), total[-1])

    def describe(self, total: Statistics) -> Mapping[str, float]:
        names = [f"{direction} R@{level}" for direction in DIRECTIONS for level in LEVELS]
        return {n: compute_percent(hits, total[-1]) for n, hits in zip(names, total, strict=False)}
