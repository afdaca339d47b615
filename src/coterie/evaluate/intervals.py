"""Variance of scores over samples and over seeds, and 95 % intervals that allow for few seeds.

A mean over R seeds of scores on n samples varies by (A + E / R) / n + S / R. A is the variance
between samples that all seeds share, E the variance of a sample from seed to seed, and S the
variance between seeds on infinitely many samples. A bootstrap over samples of the mean over seeds
estimates the first term. The scores of the seeds vary by S + E / n, so S is that variance minus
E / n, which the bootstrap has too: the seeds' draws around their common mean. (Resampling samples
and seeds both, with replacement, counts E three times: Owen 2007, "The pigeonhole bootstrap".)
`experiments/interval_coverage.py` measures how often these intervals contain the true value.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

LEVEL = 0.975
"""Probability below the upper end of an interval of 95 %."""
NORMAL = NormalDist().inv_cdf(LEVEL)
Limits = tuple[float, float]
Draws = Float[np.ndarray, " resamples"]
TaskValues = Float[np.ndarray, " tasks"]


class Interval(NamedTuple):
    """A value and its 95 % interval; NaN where it is undefined."""

    value: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """Of a difference: "better" or "worse" where all of it is on one side of 0, else "open"."""
        return "better" if self.low > 0 else "worse" if self.high < 0 else "open"


def compute_percentile_interval(value: float, draws: Draws) -> Interval:
    """Return the percentile interval of 95 %; undefined (NaN) draws are skipped."""
    known = draws[np.isfinite(draws)]
    if not known.size or not np.isfinite(value):
        return Interval(float(value), float("nan"), float("nan"))
    low, high = np.percentile(known, [2.5, 97.5])
    return Interval(float(value), float(low), float(high))


@dataclass(frozen=True, kw_only=True)
class BootstrapSamples:
    """One system's scores of each seed.

    Attributes:
        values: on all samples.
        draws: on bootstrap resamples; resample i has the same samples for every seed, and for all
            systems that are compared.
        samples: the number of samples of each task.
        limits: the least and the greatest score of each task's metric.
        scales: `Metric.score_range` of each task's metric; None for the distances of the limits.
    """

    values: Float[np.ndarray, "seeds tasks"]
    draws: Float[np.ndarray, "seeds resamples tasks"]
    samples: tuple[int, ...]
    limits: tuple[Limits, ...]
    scales: tuple[float, ...] | None = None

    @cached_property
    def mean(self) -> TaskValues:
        """The mean over seeds, on all samples."""
        return self.values.mean(0)

    @cached_property
    def mean_draws(self) -> Float[np.ndarray, "resamples tasks"]:
        """The mean over seeds, on each resample."""
        return self.draws.mean(0)

    @cached_property
    def noise(self) -> TaskValues:
        """E / n: the variance of one seed's score because samples differ from seed to seed."""
        seeds = len(self.values)
        if seeds == 1:
            return np.zeros(self.values.shape[1])
        apart = _variance(self.draws - self.mean_draws, axis=1).mean(0)
        return apart * seeds / (seeds - 1) * _unbiased(self.samples)


@dataclass(frozen=True, kw_only=True)
class Variance:
    """The variance of an estimate.

    Attributes:
        samples: from the samples; 0 if all resamples agree.
        seeds: from the seeds; 0 where they differ by no more than their samples' noise, and where
            there is only one.
        degrees: degrees of freedom of the sum (Satterthwaite 1946), at least 1; infinity if it
            is 0.
        correction: `samples` over the variance of the draws, which is too small by (n - 1) / n.
        unseen: of tasks on which all samples agree, such as a difference of 0 on every sample: what
            no resample shows. 1.96 standard errors of it are Wilson's (1927) upper end for a share
            of 0, times the largest change of the estimate that one sample's score can cause.
    """

    samples: float
    seeds: float
    degrees: float
    correction: float
    unseen: float = 0.0

    @property
    def total(self) -> float:
        """The sum of all variances."""
        return self.samples + self.seeds + self.unseen

    @property
    def quantile(self) -> float:
        """Student's t at `LEVEL`: the standard errors that an interval of 95 % reaches.

        Its relative error is below 0.005. With t = sqrt(degrees) tan(angle), the density of the
        angle is cos(angle) ** (degrees - 1).
        """
        degrees = self.degrees
        if not degrees < 10000:  # within 3e-4 of the normal distribution's
            return NORMAL + (NORMAL**3 + NORMAL) / (4 * degrees)
        angles = np.linspace(0, min(np.pi / 2, 12 / np.sqrt(degrees)), 1001)
        density = np.cos(angles) ** (degrees - 1)
        below = np.concatenate(([0.0], np.cumsum(density[1:] + density[:-1])))
        angle = np.interp(2 * LEVEL - 1, below / below[-1], angles)
        return float(np.sqrt(degrees) * np.tan(angle))


def estimate(
    systems: Sequence[BootstrapSamples], weights: Float[np.ndarray, "systems tasks"]
) -> Variance:
    """Return the variance of a weighted sum of the systems' mean scores.

    For another function of the scores, give its derivatives as weights (the delta method). All
    systems share the samples and none shares its seeds with another.
    Few seeds have few degrees of freedom, but where the seeds' scores hardly differ by more than
    noise, the samples dominate the variance: the seeds' part has full weight while noise is at most
    half of it, and less above that. This was chosen by simulation, see the module.
    """
    samples = systems[0].samples
    # A task without weight may be undefined.
    used = np.flatnonzero(weights.any(0))
    counts = np.array(samples, dtype=np.float64)[used]
    pairs = [(each, row[used]) for each, row in zip(systems, weights, strict=True) if row.any()]
    drawn = sum((each.mean_draws[:, used] * row for each, row in pairs), np.zeros(()))
    raw = _variance(drawn, axis=0) if pairs else np.zeros(0)
    by_task = raw * _unbiased(counts)
    widths = systems[0].scales or [high - low for low, high in systems[0].limits]
    reach = np.array(widths, dtype=np.float64)[used] * np.abs(weights[:, used]).max(0, initial=0.0)
    # z / (n + z^2) is Wilson's upper end for none of n, z^2 / (n + z^2), in standard errors.
    hidden = (reach * NORMAL / (counts + NORMAL**2)) ** 2
    unseen = float(hidden[(raw <= (1e-9 * reach) ** 2) & np.isfinite(hidden)].sum())
    between = noise = squares = 0.0
    for each, row in pairs:
        seeds = len(each.values)
        if seeds > 1:
            found = float((each.values[:, used] @ row).var(ddof=1)) / seeds
            between += found
            squares += found**2 / (seeds - 1)
            noise += float(row**2 @ each.noise[used]) / seeds
    above = max(0.0, between - noise)
    trust = min(1.0, 2 * above / between) if above else 0.0
    total = float(by_task.sum()) + above + unseen
    unsure = float((by_task**2 / np.maximum(1, counts - 1)).sum()) + trust * squares
    return Variance(
        samples=float(by_task.sum()),
        seeds=above,
        degrees=max(1.0, total**2 / unsure) if unsure else float("inf"),
        correction=float(by_task.sum() / raw.sum()) if raw.sum() else 1.0,
        unseen=unseen,
    )


def widen(value: float, draws: Draws, variance: Variance, *, seed: int = 0) -> Draws:
    """Scale an estimate's draws over samples to vary as it does over samples and seeds.

    Their shape is that of the draws, plus a normal distribution for the seeds and for what no
    resample shows; the middle 95 % of the result reach as far as Student's t requires. A ratio's
    draws lie above its value, and are moved so that their mean is the value.
    """
    known = draws[np.isfinite(draws)]
    if not known.size:
        return draws
    # The ends are clipped, because a baseline near 0 gives unbounded draws.
    middle = np.clip(known, *np.percentile(known, [2.5, 97.5])).mean()
    moved = (draws - middle) * np.sqrt(variance.correction)
    if added := variance.seeds + variance.unseen:
        # Standard normal quantiles in random order are more exact than random numbers.
        normal = np.random.default_rng((seed, 1)).permutation(_quantiles(len(draws)))
        moved = moved + np.sqrt(added) * normal
    return value + variance.quantile / NORMAL * moved


def score_interval(
    value: float, draws: Draws, variance: Variance, *, samples: int, limits: Limits, seed: int = 0
) -> Interval:
    """Return a score's interval, within the limits of its scale.

    Between two limits it is Wilson's (1927), with as many samples as a share of this variance
    would have (Kott and Carr 1997), so that its length is above 0 where all samples are right, or
    none: `samples` of one kind show that another kind is rare, not that there is none. Otherwise
    it is the middle 95 % of the widened draws.
    """
    low, high = limits
    scale = high - low
    if not (np.isfinite(low) and np.isfinite(high) and np.isfinite(variance.total)):
        widened = np.clip(widen(value, draws, variance, seed=seed), low, high)
        return compute_percentile_interval(value, widened)
    share = (value - low) / scale
    if not 0 <= share <= 1:
        return Interval(float(value), float("nan"), float("nan"))
    spread = share * (1 - share)
    scaled = variance.total / scale**2
    if not scaled and spread:  # a variance that is given as 0
        return Interval(float(value), float(value), float(value))
    per = variance.quantile**2 * (scaled / spread if scaled and spread else 1 / samples)
    middle = (share + per / 2) / (1 + per)
    half = np.sqrt(per * spread + per**2 / 4) / (1 + per)
    # Rounding must not put an end on the wrong side of the score, or of the scale.
    return Interval(
        float(value),
        float(max(low, min(value, low + scale * (middle - half)))),
        float(min(high, max(value, low + scale * (middle + half)))),
    )


def _variance(draws: Float[np.ndarray, "..."], *, axis: int) -> Float[np.ndarray, "..."]:
    """Return the variance over the defined draws; NaN if there are none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of no defined draws
        return np.nanvar(np.where(np.isfinite(draws), draws, np.nan), axis=axis)


def _unbiased(samples: Sequence[int] | TaskValues) -> TaskValues:
    """Return n / (n - 1): resamples of n samples vary by less than samples of the population."""
    counts = np.array(samples, dtype=np.float64)
    return counts / np.maximum(1, counts - 1)


@lru_cache(maxsize=4)
def _quantiles(count: int) -> Draws:
    return np.array([NormalDist().inv_cdf((number + 0.5) / count) for number in range(count)])
