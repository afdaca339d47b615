"""Bootstrap over samples and over seeds: what a score might have been on other data.

Efron 1979; for systems scored on the same samples, paired as in Koehn 2004 (EMNLP, "Statistical
significance tests for machine translation evaluation").
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from coterie.metrics.base import Metric

Seed = int | tuple[int, ...]
RESAMPLES = 1000
BLOCK = 1 << 22  # counts held at once; 32 MB


class Interval(NamedTuple):
    """A value and where the middle 95 % of its bootstrap lie; NaN where it is undefined."""

    value: float
    low: float
    high: float


def compute_percentile_interval(value: float, draws: Float[np.ndarray, " resamples"]) -> Interval:
    """The percentile interval of 95 %; draws that are undefined (NaN) are left out.

    A score at the end of its scale (0 or 100 %) has an interval of length 0: the sample has
    nothing in it that could differ.
    """
    known = draws[np.isfinite(draws)]
    if not known.size or not np.isfinite(value):
        return Interval(float(value), float("nan"), float("nan"))
    low, high = np.percentile(known, [2.5, 97.5])
    return Interval(float(value), float(low), float(high))


def resample_sums(
    statistics: list[Float[np.ndarray, "samples statistics"]], *, resamples: int, seed: Seed
) -> list[Float[np.ndarray, "resamples statistics"]]:
    """Sums over samples drawn with replacement, the same samples for each of the matrices.

    Args:
        statistics: what a metric says of each sample, one matrix a system (or seed); all have as
            many rows, and row i is sample i in each.
        resamples: how often to draw.
        seed: of the draws.
    """
    samples = statistics[0].shape[0]
    side_by_side = np.concatenate(statistics, axis=1)
    random = np.random.default_rng(seed)
    block = max(1, BLOCK // max(1, samples))
    parts = []
    for start in range(0, resamples, block):
        draws = min(block, resamples - start)
        parts.append(_draw_sample_counts(random, draws, samples) @ side_by_side)
    ends = np.cumsum([matrix.shape[1] for matrix in statistics])[:-1]
    return np.split(np.concatenate(parts), ends, axis=1)


def _draw_sample_counts(
    random: np.random.Generator, draws: int, samples: int
) -> Float[np.ndarray, "resamples samples"]:
    """How often each sample is in each draw; rows sum to `samples`."""
    drawn = random.integers(samples, size=(draws, samples))
    drawn += np.arange(draws)[:, None] * samples
    counts = np.bincount(drawn.ravel(), minlength=draws * samples)
    return counts.reshape(draws, samples).astype(np.float64)


def compute_scores(
    metric: Metric, sums: Float[np.ndarray, "resamples statistics"]
) -> Float[np.ndarray, " resamples"]:
    """The metric's score of each row."""
    return np.array([metric.score(row) for row in sums], dtype=np.float64)


def draw_seed_counts(
    *, seeds: int, resamples: int, seed: Seed
) -> Int[np.ndarray, "resamples seeds"]:
    """How often each of a system's runs is in each draw of as many runs, with replacement."""
    random = np.random.default_rng(seed)
    return random.multinomial(seeds, np.full(seeds, 1 / seeds), size=resamples)


def resample_seeds(
    draws: Float[np.ndarray, "seeds resamples"], counts: Int[np.ndarray, "resamples seeds"]
) -> Float[np.ndarray, " resamples"]:
    """The mean over seeds drawn anew in each resample.

    Draws out of n seeds vary by (n - 1) / n of what means of n seeds do, so they are moved away
    from their own mean by sqrt(n / (n - 1)) (Rao and Wu 1988). One seed says nothing of others:
    its draws stay as they are.
    """
    seeds = draws.shape[0]
    middle = draws.mean(0)
    if seeds == 1:
        return middle
    drawn = (draws * counts.T).sum(0) / seeds
    return middle + np.sqrt(seeds / (seeds - 1)) * (drawn - middle)
