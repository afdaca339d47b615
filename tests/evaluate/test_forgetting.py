"""The measures of a step x task matrix, worked out by hand."""

import numpy as np
import pytest

from coterie.evaluate.forgetting import (
    compute_backward_transfer,
    compute_forgetting,
    compute_forward_transfer,
    get_learned,
)

# Three tasks, one a step; task 1 is best right after its step, and step 3 helps nothing.
MATRIX = np.array([[90.0, 20, 10], [70, 80, 30], [60, 75, 85]])
FIRST, UNTRAINED = np.array([0, 1, 2]), np.array([10.0, 15, 20])
NONE = np.nan


def test_a_task_a_step() -> None:
    assert get_learned(MATRIX, FIRST).tolist() == [90, 80, 85]
    # 60 - 90 and 75 - 80; BWT is their mean, -17.5. The last task has no later step.
    assert np.array_equal(compute_backward_transfer(MATRIX, FIRST), [-30, -5, NONE], equal_nan=True)
    # max(90, 70) - 60 and max(20, 80) - 75: a mean of 17.5. After step 2, 90 - 70 alone.
    assert np.array_equal(compute_forgetting(MATRIX, FIRST), [30, 5, NONE], equal_nan=True)
    middle = compute_forgetting(MATRIX, FIRST, step=1)
    assert np.array_equal(middle, [20, NONE, NONE], equal_nan=True)
    assert np.isnan(compute_forgetting(MATRIX, FIRST, step=0)).all()
    # 20 - 15 and 30 - 20: a mean of 7.5. Nothing comes before the first task.
    forward = compute_forward_transfer(MATRIX, FIRST, UNTRAINED)
    assert np.array_equal(forward, [NONE, 5, 10], equal_nan=True)


def test_forgetting_is_from_the_best_and_backward_transfer_from_the_first() -> None:
    # Step 2 improves task 1 from 50 to 70; step 3 leaves 60: 10 above the first, 10 below the best.
    matrix = np.array([[50.0, 0], [70, 40], [60, 45]])
    first = np.array([0, 1])
    assert compute_backward_transfer(matrix, first).tolist() == [10, 5]
    assert compute_forgetting(matrix, first).tolist() == [10, -5]


def test_groups_draws_and_scores_that_are_not_there() -> None:
    # Two tasks in step 1, and the third was not evaluated before its own step.
    matrix = np.array([[90.0, 40, NONE], [80, 50, 60]])
    first = np.array([0, 0, 1])
    assert get_learned(matrix, first).tolist() == [90, 40, 60]
    assert np.array_equal(compute_forgetting(matrix, first), [10, -10, NONE], equal_nan=True)
    assert np.isnan(compute_forward_transfer(matrix, first, UNTRAINED)).all()
    draws = np.stack([matrix, matrix - 1])
    assert compute_forgetting(draws, first).shape == (2, 3)
    errors = -draws  # lower is better: what falls from 90 to 80 improved
    assert compute_backward_transfer(errors, first)[0][0] == pytest.approx(10)
