"""Sums over what has a label."""

import math

import numpy as np
import pytest
import torch

from coterie.metrics.dense.labels import (
    compute_masked_mean,
    mask_unlabelled,
    to_numpy,
)


def test_what_has_no_label_is_0_on_both_sides() -> None:
    label = torch.tensor([[1.0, math.nan]])
    prediction, target, known = mask_unlabelled(torch.tensor([[3.0, math.inf]]).bfloat16(), label)
    assert prediction.tolist() == [[3.0, 0.0]] and prediction.dtype == torch.float32
    assert target.tolist() == [[1.0, 0.0]] and known.tolist() == [[True, False]]


def test_shapes_that_would_broadcast_are_refused(unchecked) -> None:
    with pytest.raises(AssertionError, match=r"\(2, 1, 3\), \(2, 3\)"):
        mask_unlabelled(torch.zeros(2, 1, 3), torch.zeros(2, 3))


def test_means_are_of_what_is_known() -> None:
    # (1 + 3) / 2 and nothing.
    known = torch.tensor([[True, False, True], [False, False, False]])
    values = torch.tensor([[1.0, 9.0, 3.0], [9.0, 9.0, 9.0]])
    assert compute_masked_mean(values, known).tolist() == [2.0, 0.0]


def test_arrays_are_float64() -> None:
    array = to_numpy(torch.tensor([0.5, math.nan], requires_grad=True).bfloat16())
    assert array.dtype == np.float64 and array[0] == 0.5 and np.isnan(array[1])
