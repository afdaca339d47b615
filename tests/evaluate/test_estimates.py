"""Scores, differences and delta_m of hand-made systems."""

import numpy as np
import pytest

from coterie.evaluate.estimates import Estimate, Estimates
from coterie.evaluate.systems import bootstrap_systems
from coterie.evaluate.variance import BootstrapSamples
from tests.evaluate.test_systems import system


def of(*systems: BootstrapSamples, higher: bool = True) -> Estimates:
    return Estimates(systems=systems, higher_is_better=[higher] * systems[0].values.shape[1])


def test_a_paired_difference_is_surer_than_an_unpaired_one() -> None:
    random = np.random.default_rng(0)
    base = (random.random(300) < 0.5).astype(int)
    more = base.copy()
    more[np.flatnonzero(base == 0)[:12]] = 1  # right wherever the other is, and 12 times more
    found = of(*bootstrap_systems(
        [system("base", base.tolist()), system("more", more.tolist())], resamples=2000, seed=0
    ))  # fmt: skip
    paired = found.difference(1, 0, 0)
    # Differences are 1 in 12 of 300 samples: 4 % with an error of sqrt(.04 .96 / 300) = 1.13 %;
    # a score's own, sqrt(.25 / 300) = 2.89 %.
    assert paired.value == pytest.approx(4)
    assert paired.interval.low == pytest.approx(4 - 1.96 * 1.13, abs=0.4)
    assert paired.interval.high == pytest.approx(4 + 1.96 * 1.13, abs=0.4)
    own = found.score(1, 0)
    assert own.high - own.low == pytest.approx(2 * 1.96 * 2.89, rel=0.1)
    # It is never worse on the same samples, and equal when none of the 12 is drawn: e ** -12.
    assert paired.share_above_zero > 0.999


def test_delta_m_is_relative_and_none_against_the_baseline_itself() -> None:
    found = of(*bootstrap_systems([system("base", [1, 0, 0, 1]), system("one", [1, 1, 0, 1]),
                       system("two", [1, 1, 1, 1])], resamples=200, seed=0))  # fmt: skip
    # 50, 75 and 100 %: +50 % and +100 % of the baseline.
    assert found.delta_m(0).interval == (0, 0, 0)
    assert found.delta_m(1).value == pytest.approx(50)
    assert found.delta_m(2, 1).value == pytest.approx(50)
    assert found.delta_m(2, 2).interval == (0, 0, 0)
    assert found.delta_m(2, 1).share_above_zero + found.delta_m(1, 2).share_above_zero == (
        pytest.approx(1, abs=0.1)
    )


def test_delta_m_of_nothing_is_undefined() -> None:
    found = of(
        *bootstrap_systems([system("base", [0, 0]), system("one", [1, 0])], resamples=20, seed=0)
    )
    assert np.isnan(found.delta_m(1).interval).all() and np.isnan(found.delta_m(1, 0).value)
    assert np.isnan(found.delta_m(1).share_above_zero)


def test_a_difference_ends_with_the_scale() -> None:
    found = of(*bootstrap_systems([system("base", [0, 0, 0, 0]),
                       system("one", [1, 1, 1, 0], [1, 1, 1, 1])],
                      resamples=200, seed=0))  # fmt: skip
    assert found.difference(1, 0, 0).draws.max() <= 100


def test_seeds_may_be_fewer_in_one_system() -> None:
    one = system("one", [1, 0, 0, 1, 0, 0])
    three = system("three", [1, 1, 1, 1, 1, 0], [1, 0, 1, 0, 0, 0], [0, 1, 1, 0, 1, 0])
    found = of(*bootstrap_systems([one, three], resamples=300, seed=0))
    # 2 of 6; 5, 2 and 3 of 6.
    assert found.difference(1, 0, 0).value == pytest.approx(100 * (10 / 18 - 2 / 6))
    assert found.score(1, 0).low < 100 * 10 / 18 < found.score(1, 0).high


def test_ties_count_half_and_what_is_undefined_does_not() -> None:
    found = Estimate(value=0.0, draws=np.array([-1.0, 0.0, 1.0, np.nan]))
    assert found.share_above_zero == 0.5
