"""Variance over samples and seeds against sums by hand, on every draw that there can be."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from coterie.evaluate.intervals import (
    NORMAL,
    BootstrapSamples,
    Interval,
    Variance,
    compute_percentile_interval,
    estimate,
    score_interval,
    widen,
)

NOTHING = Variance(samples=0.0, seeds=0.0, degrees=float("inf"), correction=1.0)


def answered(*seeds: list[int]) -> BootstrapSamples:
    """Four samples of one task, right or wrong; all 4 ** 4 draws of four of them, each once."""
    right = 100 * np.array(seeds, dtype=np.float64)
    every = np.array(list(itertools.product(range(4), repeat=4)))
    return BootstrapSamples(
        values=right.mean(1)[:, None],
        draws=right[:, every].mean(2)[:, :, None],
        samples=(4,),
        limits=((0.0, 100.0),),
    )


def test_a_difference_is_decided_by_its_interval() -> None:
    assert Interval(2, 1, 3).verdict == "better" and Interval(-2, -3, -1).verdict == "worse"
    assert Interval(1, -1, 3).verdict == "open"


def test_seeds_that_score_alike_add_nothing_to_the_samples() -> None:
    # Means of the samples over the seeds: 1, .5, .5, 0, around .5: variance .5 / 3, of their mean
    # .5 / 3 / 4 = .0417. Seeds score .5 and .5. A sample apart from its mean: 0, 0, .5, -.5, -.5,
    # .5, 0, 0: squares add to 1, over 3 degrees of freedom, over 4 samples: 1 / 12 = .0833.
    both = answered([1, 1, 0, 0], [1, 0, 1, 0])
    assert both.noise[0] == pytest.approx(1e4 / 12)
    found = estimate([both], np.ones((1, 1)))
    assert found.samples == pytest.approx(1e4 / 24)
    assert found.seeds == 0
    assert found.correction == pytest.approx(4 / 3)
    assert found.degrees == pytest.approx(3)  # of four samples


def test_what_seeds_differ_by_above_their_noise_is_added_once() -> None:
    # Means of the samples .5, .5, 1, 0: again .0417 for the samples. The seeds score .75 and .25:
    # variance .125, of a mean of two .0625. Residuals are +-.25: 8 * .0625 / 3 / 4 = .0417 noise
    # of one seed, .0208 of the mean of two. So seeds add .0625 - .0208 = .0417.
    both = answered([1, 1, 1, 0], [0, 0, 1, 0])
    found = estimate([both], np.ones((1, 1)))
    assert found.samples == pytest.approx(1e4 / 24)
    assert found.seeds == pytest.approx(1e4 / 24)
    # (.0417 + .0417)^2 / (.0417^2 / 3 + .0625^2 / 1), as .0417 is more than half of .0625.
    assert found.degrees == pytest.approx((1 / 12) ** 2 / (1 / 24**2 / 3 + 1 / 16**2))


def test_a_difference_is_of_the_same_samples_and_has_both_systems_seeds() -> None:
    one = answered([1, 1, 1, 0], [0, 0, 1, 0])
    other = answered([1, 1, 0, 0], [0, 0, 0, 0])
    # Means of the samples .5, .5, 1, 0 and .5, .5, 0, 0: differences 0, 0, 1, 0, variance .25, of
    # the mean .0625. Seeds of `other` score .5 and 0: .125 / 2 = .0625 for a mean of two, as of
    # `one`; residuals +-.25: noise of .0208 each.
    found = estimate([one, other], np.array([[1.0], [-1.0]]))
    assert found.samples == pytest.approx(1e4 / 16)
    assert found.seeds == pytest.approx(1e4 * (2 / 16 - 2 / 48))
    # The same samples and one system: nothing is left.
    assert estimate([one, other], np.zeros((2, 1))).total == 0


def test_one_seed_says_nothing_of_others() -> None:
    found = estimate([answered([1, 1, 0, 0])], np.ones((1, 1)))
    # Variance 1 / 3 of samples of which half are right, of their mean 1 / 12.
    assert (found.samples, found.seeds) == (pytest.approx(1e4 / 12), 0)


def test_students_t_is_that_of_the_tables() -> None:
    for degrees, quantile in ((1.0, 12.706), (2.0, 4.3027), (10.0, 2.2281), (100.0, 1.984)):
        assert replace(NOTHING, degrees=degrees).quantile == pytest.approx(quantile, rel=1e-3)
    found = replace(NOTHING, degrees=1e9).quantile
    assert found == pytest.approx(NORMAL) == pytest.approx(1.95996, abs=1e-5)
    assert NOTHING.quantile == NORMAL


def test_widened_draws_vary_by_both_parts_and_reach_as_far_as_students_t() -> None:
    draws = 50 + 2 * np.random.default_rng(0).standard_normal(20000)
    both = Variance(samples=4.0, seeds=5.0, degrees=2.0, correction=1.0)
    found = widen(50.0, draws, both)
    # A standard error of 3, times 4.303 / 1.960.
    assert found.std() == pytest.approx(3 * 4.3027 / 1.95996, rel=0.02)
    assert np.median(found) == pytest.approx(50, abs=0.2)
    assert (widen(50.0, draws, both) == found).all()
    # Seeds apart where samples are not.
    seeds = Variance(samples=0.0, seeds=9.0, degrees=float("inf"), correction=1.0)
    assert widen(1.0, np.ones(1000), seeds).std() == pytest.approx(3, rel=0.01)


def test_undefined_draws_stay_so() -> None:
    draws = np.array([1.0, np.nan, 1.0])
    assert np.isnan(widen(1.0, draws, NOTHING)).tolist() == [False, True, False]
    assert np.isnan(widen(1.0, np.full(3, np.nan), NOTHING)).all()


def test_samples_that_all_agree_leave_what_wilson_leaves() -> None:
    # One system has all four samples right and the other none: each resample says 100. So does a
    # share of 0 of 4, whose upper end is z^2 / (4 + z^2) = 3.8415 / 7.8415 = 48.99 %.
    found = estimate([answered([1, 1, 1, 1]), answered([0, 0, 0, 0])], np.array([[1.0], [-1.0]]))
    assert found.samples == 0 and NORMAL * np.sqrt(found.unseen) == pytest.approx(48.99, abs=0.01)
    assert found.degrees == float("inf")
    draws = widen(100.0, np.full(1000, 100.0), found)
    assert np.percentile(draws, 2.5) == pytest.approx(100 - 48.99, abs=0.3)
    # Nothing is unseen where samples differ, and a scale without an end has no such bound.
    assert estimate([answered([1, 1, 0, 0])], np.ones((1, 1))).unseen == 0
    endless = replace(answered([0, 0, 0, 0]), limits=((0.0, float("inf")),))
    assert estimate([endless], np.ones((1, 1))).unseen == 0
    # Unless its metric has a scale, as error rates have 100.
    scaled = estimate([replace(endless, scales=(100.0,))], np.ones((1, 1)))
    assert NORMAL * np.sqrt(scaled.unseen) == pytest.approx(48.99, abs=0.01)
    found = score_interval(0.0, np.zeros(999), scaled, samples=4, limits=(0.0, float("inf")))
    assert found.low == 0 and found.high == pytest.approx(48.99, abs=0.5)


def test_none_right_has_wilsons_interval() -> None:
    # 1.96^2 / (40 + 1.96^2) = 3.8415 / 43.8415.
    found = score_interval(0.0, np.zeros(9), NOTHING, samples=40, limits=(0.0, 100.0))
    assert found == (0, 0, pytest.approx(8.762, abs=1e-3))
    all_right = score_interval(100.0, np.ones(9), NOTHING, samples=40, limits=(0.0, 100.0))
    assert all_right == (100, pytest.approx(91.238, abs=1e-3), 100)


def test_a_share_between_has_wilsons_interval() -> None:
    # 10 of 40 with the binomial variance .25 .75 / 40, z = 1.96: the middle is
    # (.25 + 3.8415 / 80) / (1 + 3.8415 / 40) = .27191, half of it .13000 (scipy's binomtest:
    # .14187 to .40194).
    binomial = Variance(samples=1e4 * 0.1875 / 40, seeds=0.0, degrees=1e9, correction=1.0)
    found = score_interval(25.0, np.zeros(9), binomial, samples=40, limits=(0.0, 100.0))
    assert found.low == pytest.approx(14.187, abs=0.01)
    assert found.high == pytest.approx(40.194, abs=0.01)


def test_a_scale_without_an_end_has_the_draws_interval_within_it() -> None:
    draws = np.array([-1.0, 1.0, 3.0] * 100)
    wide = Variance(samples=8 / 3, seeds=0.0, degrees=float("inf"), correction=1.0)
    found = score_interval(1.0, draws, wide, samples=9, limits=(0.0, float("inf")))
    assert found == (1, 0, pytest.approx(3))
    nan = score_interval(float("nan"), draws, wide, samples=9, limits=(0.0, 100.0))
    assert np.isnan(nan[1:]).all()


def test_undefined_draws_are_left_out_and_undefined_values_have_no_interval() -> None:
    draws = np.array([1.0, np.nan, 1.0])
    assert compute_percentile_interval(1.0, draws) == (1, 1, 1)
    assert np.isnan(compute_percentile_interval(float("nan"), draws)[1:]).all()
    assert np.isnan(compute_percentile_interval(1.0, np.array([np.nan]))[1:]).all()
