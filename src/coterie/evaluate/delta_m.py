"""delta_m: the mean relative improvement of a multi-task system over single-task models."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float


def compute_delta_m(
    scores: Float[np.ndarray, "*resamples tasks"],
    baseline: Float[np.ndarray, "*resamples tasks"],
    higher_is_better: Sequence[bool],
) -> Float[np.ndarray, "*resamples"]:
    """Compute the mean over tasks of (-1)^l (M - B) / B in percent, l = 1 where lower is better.

    Maninis et al. 2019 (arXiv:1904.08918); Vandenhende et al. 2021 (arXiv:2004.13379).
    Above 0 the system is better than the baseline.

    Args:
        scores: M, a score for each task.
        baseline: B, the single-task models' scores; above 0, see `is_defined`. The result is NaN
            where one is not.
        higher_is_better: of each task.
    """
    sign = np.where(np.asarray(higher_is_better, dtype=bool), 1.0, -1.0)
    divisor = np.where(is_defined(baseline), baseline, np.nan)
    return np.asarray(100 * np.mean(sign * (scores - baseline) / divisor, axis=-1))


def delta_m_derivatives(
    scores: Float[np.ndarray, " tasks"],
    baseline: Float[np.ndarray, " tasks"],
    higher_is_better: Sequence[bool],
) -> tuple[Float[np.ndarray, " tasks"], Float[np.ndarray, " tasks"]]:
    """Return delta_m's derivatives by the scores and by the baseline's; all `is_defined`."""
    sign = np.where(np.asarray(higher_is_better, dtype=bool), 1.0, -1.0)
    by_scores = 100 * sign / baseline / len(baseline)
    return by_scores, -by_scores * scores / baseline


def is_defined(
    baseline: Float[np.ndarray, "*resamples tasks"],
) -> Bool[np.ndarray, "*resamples tasks"]:
    """Return where a ratio to the baseline's score is meaningful: where it is above 0.

    A baseline of 0 has no ratio, and one below 0 (R2 can be) would turn better into worse.
    """
    return np.isfinite(baseline) & (baseline > 0)
