"""Bootstrap over samples: the distribution of a score over other samples of the same kind.

Efron 1979; for systems scored on the same samples, paired as in Koehn 2004 (EMNLP, "Statistical
significance tests for machine translation evaluation").
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from coterie.metrics.base import Metric

SampleStatistics = Float[np.ndarray, "samples statistics"]
Sums = Float[np.ndarray, "resamples statistics"]
Draws = Float[np.ndarray, " resamples"]
RESAMPLES = 1000
BLOCK = 1 << 22  # counts in memory at once; 32 MB


class Interval(NamedTuple):
    """A value and its 95 % interval; NaN where it is undefined."""

    value: float
    low: float
    high: float


def compute_percentile_interval(value: float, draws: Draws) -> Interval:
    """Return the percentile interval of 95 %; undefined (NaN) draws are skipped."""
    known = draws[np.isfinite(draws)]
    if not known.size or not np.isfinite(value):
        return Interval(float(value), float("nan"), float("nan"))
    low, high = np.percentile(known, [2.5, 97.5])
    return Interval(float(value), float(low), float(high))


def resample_sums(
    statistics: list[SampleStatistics], *, resamples: int, seed: int | tuple[int, ...]
) -> list[Sums]:
    """Sum statistics over samples with replacement, the same samples for each of the matrices.

    Each matrix has a metric's statistics for one system (or seed); row i is sample i in each.
    """
    samples = statistics[0].shape[0]
    side_by_side = np.concatenate(statistics, axis=1)
    random = np.random.default_rng(seed)
    block = max(1, BLOCK // max(1, samples))
    parts = []
    for start in range(0, resamples, block):
        draws = min(block, resamples - start)
        drawn = random.integers(samples, size=(draws, samples))
        drawn += np.arange(draws)[:, None] * samples
        # How often each sample occurs in each resample; rows sum to `samples`.
        counts = np.bincount(drawn.ravel(), minlength=draws * samples).reshape(draws, samples)
        parts.append(counts.astype(np.float64) @ side_by_side)
    ends = np.cumsum([matrix.shape[1] for matrix in statistics])[:-1]
    return np.split(np.concatenate(parts), ends, axis=1)


def compute_scores(metric: Metric, sums: Sums) -> Draws:
    """Return the metric's score of each row."""
    return np.array([metric.score(row) for row in sums], dtype=np.float64)
