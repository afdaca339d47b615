"""delta_m by hand and on published numbers."""

import numpy as np
import pytest

from coterie.evaluate.delta_m import compute_delta_m, delta_m_derivatives, is_defined

# PASCAL-Context: segmentation, normals (lower is better), parts, saliency, edges.
HIGHER = (True, False, True, True, True)
SINGLE = np.array([66.2, 13.9, 59.9, 66.3, 68.8])


def test_mod_squad_on_pascal_context() -> None:
    # (7.9/66.2 + 0.2/13.9 + 2.8/59.9 + 0.6/66.3 + 3.2/68.8) / 5 = 4.72 %
    mod_squad = np.array([74.1, 13.7, 62.7, 66.9, 72.0])
    assert round(float(compute_delta_m(mod_squad, SINGLE, HIGHER)), 2) == 4.72


def test_m3vit_on_pascal_context() -> None:
    # (6.6/66.2 - 0.6/13.9 + 2.2/59.9 + 0/66.3 + 2.9/68.8) / 5 = 2.71 %
    m3vit = np.array([72.8, 14.5, 62.1, 66.3, 71.7])
    assert round(float(compute_delta_m(m3vit, SINGLE, HIGHER)), 2) == 2.71


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
