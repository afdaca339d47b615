"""Scores, differences and delta_m of several systems, each with its draws and interval."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from coterie.evaluate.bootstrap import Interval, compute_percentile_interval
from coterie.evaluate.delta_m import compute_delta_m, delta_m_derivatives, is_defined
from coterie.evaluate.variance import BootstrapSamples, estimate, score_interval, widen


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A value and its draws, which vary as it does over samples and seeds."""

    value: float
    draws: Float[np.ndarray, " resamples"]

    @property
    def interval(self) -> Interval:
        """Of 95 %."""
        return compute_percentile_interval(self.value, self.draws)

    @property
    def share_above_zero(self) -> float:
        """Of the draws, ties counting half; NaN if none is defined."""
        known = self.draws[np.isfinite(self.draws)]
        if not known.size:
            return float("nan")
        return float(((known > 0) + 0.5 * (known == 0)).mean())


@dataclass(frozen=True, kw_only=True)
class Estimates:
    """Estimates about several systems, which are named by their positions, as are the tasks.

    Attributes:
        systems: scored on the same draws of samples.
        higher_is_better: of each task.
        baseline: the position of delta_m's.
        seed: of the draws of seeds.
    """

    systems: Sequence[BootstrapSamples]
    higher_is_better: Sequence[bool]
    baseline: int = 0
    seed: int = 0

    @property
    def kept(self) -> Bool[np.ndarray, " tasks"]:
        """The tasks over which delta_m is the mean: where a baseline's share is defined."""
        return is_defined(self.systems[self.baseline].mean)

    def score(self, system: int, task: int) -> Interval:
        """A system's mean over seeds."""
        found = self.systems[system]
        weights = self._no_weights()
        weights[system, task] = 1
        return score_interval(
            float(found.mean[task]),
            found.mean_draws[:, task],
            estimate(self.systems, weights),
            samples=found.samples[task],
            limits=found.limits[task],
            seed=self.seed,
        )

    def difference(self, one: int, other: int, task: int) -> Estimate:
        """The score of `one` minus that of `other`."""
        first, second = self.systems[one], self.systems[other]
        weights = self._no_weights()
        weights[one, task] += 1
        weights[other, task] -= 1
        value = float(first.mean[task] - second.mean[task])
        draws = first.mean_draws[:, task] - second.mean_draws[:, task]
        (low, high), (least, most) = first.limits[task], second.limits[task]
        found = widen(value, draws, estimate(self.systems, weights), seed=self.seed)
        return Estimate(value=value, draws=np.clip(found, low - most, high - least))

    def delta_m(self, one: int, other: int | None = None) -> Estimate:
        """delta_m of `one`, minus that of `other` if there is one; NaN if no task is `kept`."""
        value, draws, weights = self._delta_m(one)
        if other is not None:
            less, fewer, against = self._delta_m(other)
            value, draws, weights = value - less, draws - fewer, weights - against
        if not self.kept.any():
            return Estimate(value=float("nan"), draws=draws)
        found = widen(value, draws, estimate(self.systems, weights), seed=self.seed)
        return Estimate(value=value, draws=found)

    def _delta_m(
        self, one: int
    ) -> tuple[float, Float[np.ndarray, " resamples"], Float[np.ndarray, "systems tasks"]]:
        system, base, kept = self.systems[one], self.systems[self.baseline], self.kept
        weights = self._no_weights()
        if not kept.any():
            return float("nan"), np.full(system.draws.shape[1], np.nan), weights
        signs = [higher for higher, keep in zip(self.higher_is_better, kept, strict=True) if keep]
        scores = system.mean[kept], base.mean[kept]
        by_scores, by_baseline = delta_m_derivatives(*scores, signs)
        weights[one, kept] += by_scores
        weights[self.baseline, kept] += by_baseline
        draws = compute_delta_m(system.mean_draws[:, kept], base.mean_draws[:, kept], signs)
        return float(compute_delta_m(*scores, signs)), draws, weights

    def _no_weights(self) -> Float[np.ndarray, "systems tasks"]:
        return np.zeros((len(self.systems), len(self.higher_is_better)))
