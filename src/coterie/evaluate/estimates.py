"""Estimates of several systems' scores, differences and delta_m, with draws and intervals.

The draws are a bootstrap over samples: the distribution of a score over other samples of the same
kind. Efron 1979; for systems scored on the same samples, paired as in Koehn 2004 (EMNLP,
"Statistical significance tests for machine translation evaluation").
"""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from coterie.evaluate.intervals import (
    BootstrapSamples,
    Draws,
    Interval,
    TaskValues,
    compute_percentile_interval,
    estimate,
    score_interval,
    widen,
)
from coterie.metrics.base import Metric

SampleStatistics = Float[np.ndarray, "samples statistics"]
Sums = Float[np.ndarray, "resamples statistics"]
RESAMPLES = 1000
BLOCK = 1 << 22  # counts in memory at once; 32 MB
Ratings = Float[np.ndarray, "*resamples tasks"]
Weights = Float[np.ndarray, "systems tasks"]


def make_task_seed(task: str, seed: int = 0) -> tuple[int, int]:
    """Return the seed of a task's resamples, which is the same wherever the task is scored."""
    return seed, zlib.crc32(task.encode())


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


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A value and its draws, which vary as it does over samples and seeds."""

    value: float
    draws: Draws

    @property
    def interval(self) -> Interval:
        """The interval of 95 %."""
        return compute_percentile_interval(self.value, self.draws)

    @property
    def share_above_zero(self) -> float:
        """The share of draws above 0, ties counting half; NaN if none is defined."""
        known = self.draws[np.isfinite(self.draws)]
        if not known.size:
            return float("nan")
        return float(((known > 0) + 0.5 * (known == 0)).mean())


@dataclass(frozen=True, kw_only=True)
class Estimates:
    """Estimates of several systems; systems and tasks are given by their positions.

    Attributes:
        systems: scored on the same resamples.
        baseline: the position of delta_m's baseline.
        seed: of the random numbers that stand for seeds.
    """

    systems: Sequence[BootstrapSamples]
    higher_is_better: Sequence[bool]
    baseline: int = 0
    seed: int = 0

    @property
    def kept(self) -> Bool[np.ndarray, " tasks"]:
        """The tasks over which delta_m is the mean: those with a defined ratio to the baseline."""
        return is_defined(self.systems[self.baseline].mean)

    def score(self, system: int, task: int) -> Interval:
        """Return the interval of a system's mean score over seeds."""
        found = self.systems[system]
        value, draws = float(found.mean[task]), found.mean_draws[:, task]
        variance = estimate(self.systems, self._weigh(task, system))
        samples, limits = found.samples[task], found.limits[task]
        return score_interval(
            value, draws, variance, samples=samples, limits=limits, seed=self.seed
        )

    def difference(self, one: int, other: int, task: int) -> Estimate:
        """Return the score of `one` minus that of `other`."""
        first, second = self.systems[one], self.systems[other]
        weights = self._weigh(task, one) - self._weigh(task, other)
        value = float(first.mean[task] - second.mean[task])
        draws = first.mean_draws[:, task] - second.mean_draws[:, task]
        (low, high), (least, most) = first.limits[task], second.limits[task]
        found = widen(value, draws, estimate(self.systems, weights), seed=self.seed)
        return Estimate(value=value, draws=np.clip(found, low - most, high - least))

    def _weigh(self, task: int, system: int) -> Weights:
        weights = np.zeros((len(self.systems), len(self.higher_is_better)))
        weights[system, task] = 1
        return weights

    def improvement(self, one: int, other: int, task: int) -> Estimate:
        """Return the difference of two scores, above 0 where that of `one` is better."""
        pair = (one, other) if self.higher_is_better[task] else (other, one)
        return self.difference(*pair, task)

    def delta_m(self, one: int, other: int | None = None) -> Estimate:
        """Return delta_m of `one`, minus that of `other` if given; NaN if no task is `kept`."""
        if not self.kept.any():
            return Estimate(value=math.nan, draws=np.full(self.systems[one].draws.shape[1], np.nan))
        value, draws, weights = self._delta_m(one)
        if other is not None:
            less, fewer, against = self._delta_m(other)
            value, draws, weights = value - less, draws - fewer, weights - against
        found = widen(value, draws, estimate(self.systems, weights), seed=self.seed)
        return Estimate(value=value, draws=found)

    def _delta_m(self, one: int) -> tuple[float, Draws, Weights]:
        system, base, kept = self.systems[one], self.systems[self.baseline], self.kept
        weights = np.zeros((len(self.systems), len(kept)))
        signs = [higher for higher, keep in zip(self.higher_is_better, kept, strict=True) if keep]
        scores = system.mean[kept], base.mean[kept]
        by_scores, by_baseline = delta_m_derivatives(*scores, signs)
        weights[one, kept] += by_scores
        weights[self.baseline, kept] += by_baseline
        draws = compute_delta_m(system.mean_draws[:, kept], base.mean_draws[:, kept], signs)
        return float(compute_delta_m(*scores, signs)), draws, weights


def compute_delta_m(
    scores: Ratings, baseline: Ratings, higher_is_better: Sequence[bool]
) -> Float[np.ndarray, "*resamples"]:
    """Compute the mean over tasks of (-1)^l (M - B) / B in percent, l = 1 where lower is better.

    Maninis et al. 2019 (arXiv:1904.08918); Vandenhende et al. 2021 (arXiv:2004.13379).
    Above 0 the system is better than the baseline.

    `scores` are M; `baseline` is B, the single-task models' scores. The result is NaN where one
    is not above 0, see `is_defined`.
    """
    sign = np.where(higher_is_better, 1.0, -1.0)
    divisor = np.where(is_defined(baseline), baseline, np.nan)
    return np.asarray(100 * np.mean(sign * (scores - baseline) / divisor, axis=-1))


def delta_m_derivatives(
    scores: TaskValues, baseline: TaskValues, higher_is_better: Sequence[bool]
) -> tuple[TaskValues, TaskValues]:
    """Return delta_m's derivatives by the scores and by the baseline's; all `is_defined`."""
    by_scores = 100 * np.where(higher_is_better, 1.0, -1.0) / baseline / len(baseline)
    return by_scores, -by_scores * scores / baseline


def is_defined(baseline: Ratings) -> Bool[np.ndarray, "*resamples tasks"]:
    """Return where a ratio to the baseline's score is meaningful: where it is above 0.

    A baseline of 0 has no ratio, and one below 0 (R2 can be) would turn better into worse.
    """
    return np.isfinite(baseline) & (baseline > 0)
