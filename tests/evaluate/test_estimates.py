"""Draws against closed forms; scores, differences and delta_m by hand and as published."""

import numpy as np
import pytest

from coterie.evaluate import estimates
from coterie.evaluate.estimates import (
    Estimate,
    Estimates,
    compute_delta_m,
    compute_scores,
    delta_m_derivatives,
    is_defined,
    resample_sums,
)
from coterie.evaluate.intervals import BootstrapSamples, compute_percentile_interval
from coterie.evaluate.systems import bootstrap_systems
from coterie.metrics.text.exact_match import ExactMatch
from tests.evaluate.test_systems import system

# PASCAL-Context: segmentation, normals (lower is better), parts, saliency, edges.
HIGHER = (True, False, True, True, True)
SINGLE = np.array([66.2, 13.9, 59.9, 66.3, 68.8])


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


def test_mod_squad_on_pascal_context() -> None:
    # (7.9/66.2 + 0.2/13.9 + 2.8/59.9 + 0.6/66.3 + 3.2/68.8) / 5 = 4.72 %
    mod_squad = np.array([74.1, 13.7, 62.7, 66.9, 72.0])
    assert round(float(compute_delta_m(mod_squad, SINGLE, HIGHER)), 2) == 4.72


def test_m3vit_on_pascal_context() -> None:
    # (6.6/66.2 - 0.6/13.9 + 2.2/59.9 + 0/66.3 + 2.9/68.8) / 5 = 2.71 %
    m3vit = np.array([72.8, 14.5, 62.1, 66.3, 71.7])
    assert round(float(compute_delta_m(m3vit, SINGLE, HIGHER)), 2) == 2.71


@pytest.mark.parametrize(
    ("scores", "published"),
    [
        ((22.9, 33.8, 12.7, 40.2), 0.12),  # LoRA-MoE, the top 2
        ((22.7, 33.5, 12.5, 40.0), -0.84),  # LoRA-MoE, softmax
        ((23.6, 34.6, 13.8, 41.4), 4.43),  # RoDE
        ((24.2, 35.2, 14.8, 42.1), 7.97),  # Dual-LoRA
    ],
)
def test_uni_food(scores: tuple[float, ...], published: float) -> None:
    # Ingredient IoU and F1, recipe BLEU and ROUGE-L, against plain LoRA (arXiv:2411.12787): RoDE is
    # (0.4/23.2 + 0.5/34.1 + 1.4/12.4 + 1.3/40.1) / 4 = 4.43 %.
    lora = np.array([23.2, 34.1, 12.4, 40.1])
    assert round(float(compute_delta_m(np.array(scores), lora, (True,) * 4)), 2) == published


def test_two_tasks_by_hand_in_two_draws() -> None:
    # 60 after 50 is +20 %, an error of 3 after 2 is -50 %: (20 - 50) / 2; turned round, -10 % of
    # 50 is -20 %, and 1 after 2 is +50 %.
    found = compute_delta_m(
        np.array([[60.0, 3.0], [40.0, 1.0]]), np.array([[50.0, 2.0], [50.0, 2.0]]), (True, False)
    )
    assert found.tolist() == pytest.approx([-15.0, 15.0])


def test_a_baseline_of_zero_or_below_has_no_share() -> None:
    assert is_defined(np.array([1.0, 0.0, -2.0, np.nan])).tolist() == [True, False, False, False]
    assert np.isnan(compute_delta_m(np.array([1.0, 1.0]), np.array([1.0, 0.0]), (True, True)))


def test_derivatives_are_those_of_small_steps() -> None:
    # d/dM of 100 (M - B) / B / 2 is 50 / B: 1 where B = 50, -25 where lower is better and B = 2;
    # d/dB is -50 M / B^2: -1.2 and 37.5.
    scores, baseline, higher = np.array([60.0, 3.0]), np.array([50.0, 2.0]), (True, False)
    by_scores, by_baseline = delta_m_derivatives(scores, baseline, higher)
    assert by_scores.tolist() == [1.0, -25.0]
    assert by_baseline.tolist() == pytest.approx([-1.2, 37.5])
    step = np.array([1e-6, 0.0])
    moved = compute_delta_m(scores, baseline + step, higher) - compute_delta_m(
        scores, baseline, higher
    )
    assert moved / 1e-6 == pytest.approx(-1.2, rel=1e-3)


def test_the_interval_of_a_mean_is_that_of_the_normal_approximation() -> None:
    # 400 answers, 300 right: 75 % with a standard error of sqrt(.75 .25 / 400) = 2.165 %, so
    # 1.96 of them on either side: 70.76 to 79.24. 20000 draws leave an error of about 0.03, and
    # shares come in steps of 0.25.
    right = np.array([[1.0, 1.0]] * 300 + [[0.0, 1.0]] * 100)
    (sums,) = resample_sums([right], resamples=20000, seed=0)
    found = compute_percentile_interval(75.0, compute_scores(ExactMatch(), sums))
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
    monkeypatch.setattr(estimates, "BLOCK", 70)  # 10 draws at a time
    (again,) = resample_sums(places, resamples=50, seed=3)
    (other,) = resample_sums(places, resamples=50, seed=4)
    assert (once == again).all() and not (once == other).all()


def test_a_sample_without_difference_has_an_interval_of_no_length() -> None:
    (sums,) = resample_sums([np.ones((5, 2))], resamples=20, seed=0)
    assert compute_percentile_interval(100.0, compute_scores(ExactMatch(), sums)) == (
        100,
        100,
        100,
    )
