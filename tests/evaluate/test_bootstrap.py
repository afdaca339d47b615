"""Draws of samples against closed forms."""

import numpy as np
import pytest

from coterie.evaluate import bootstrap
from coterie.evaluate.bootstrap import compute_percentile_interval, resample_sums
from coterie.metrics.text.exact_match import ExactMatch


def test_the_interval_of_a_mean_is_that_of_the_normal_approximation() -> None:
    # 400 answers, 300 right: 75 % with a standard error of sqrt(.75 .25 / 400) = 2.165 %, so
    # 1.96 of them on either side: 70.76 to 79.24. 20000 draws leave an error of about 0.03, and
    # shares come in steps of 0.25.
    right = np.array([[1.0, 1.0]] * 300 + [[0.0, 1.0]] * 100)
    (sums,) = resample_sums([right], resamples=20000, seed=0)
    found = compute_percentile_interval(75.0, bootstrap.compute_scores(ExactMatch(), sums))
    assert found.value == 75
    assert found.low == pytest.approx(70.76, abs=0.3)
    assert found.high == pytest.approx(79.24, abs=0.3)


def test_draws_are_as_large_as_the_sample_and_the_same_for_all_systems() -> None:
    ones, places = np.ones((7, 1)), np.arange(7.0)[:, None]
    counted, first, second = resample_sums([ones, places, 2 * places], resamples=50, seed=3)
    assert (counted == 7).all()
    assert (second == 2 * first).all() and len(np.unique(first)) > 1


def test_a_seed_gives_the_same_draws_also_in_small_blocks(monkeypatch) -> None:
    places = [np.arange(7.0)[:, None]]
    (once,) = resample_sums(places, resamples=50, seed=3)
    monkeypatch.setattr(bootstrap, "BLOCK", 70)  # 10 draws at a time
    (again,) = resample_sums(places, resamples=50, seed=3)
    (other,) = resample_sums(places, resamples=50, seed=4)
    assert (once == again).all() and not (once == other).all()


def test_a_sample_without_difference_has_an_interval_of_no_length() -> None:
    (sums,) = resample_sums([np.ones((5, 2))], resamples=20, seed=0)
    assert compute_percentile_interval(100.0, bootstrap.compute_scores(ExactMatch(), sums)) == (
        100,
        100,
        100,
    )


def test_undefined_draws_are_left_out_and_undefined_values_have_no_interval() -> None:
    draws = np.array([1.0, np.nan, 1.0])
    assert compute_percentile_interval(1.0, draws) == (1, 1, 1)
    assert np.isnan(compute_percentile_interval(float("nan"), draws)[1:]).all()
    assert np.isnan(compute_percentile_interval(1.0, np.array([np.nan]))[1:]).all()
