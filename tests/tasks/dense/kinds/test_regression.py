"""Regression of pixels."""

import math

import pytest
import torch

from coterie.metrics.dense.mean_error import MeanError
from coterie.tasks.dense.kinds.regression import Regression

PREDICTION = torch.tensor([[1.0, 5.0], [3.0, 7.0]]).reshape(1, 2, 1, 2)
LABEL = torch.tensor([[0.0, 2.0], [3.0, math.nan]]).reshape(1, 2, 1, 2)


def test_l1_and_mse_by_hand() -> None:
    # |1 - 0|, |5 - 2| and |3 - 3|: 4 / 3. Squares: 10 / 3.
    assert Regression(name="x", num_channels=2).compute_loss(
        PREDICTION, LABEL
    ).tolist() == pytest.approx([4 / 3])
    squared = Regression(name="curvature", num_channels=2, exponent=2)
    assert squared.compute_loss(PREDICTION, LABEL).tolist() == pytest.approx([10 / 3])


def test_the_loss_is_clamped() -> None:
    prediction = torch.full((1, 1, 1, 1), 2000.0, requires_grad=True)
    loss = Regression(name="x").compute_loss(prediction, torch.zeros(1, 1, 1, 1))
    loss.sum().backward()
    assert loss.tolist() == [1000.0] and prediction.grad is not None and not prediction.grad.any()


def test_metric() -> None:
    assert Regression(name="x", exponent=2).make_metric() == MeanError(exponent=2)


def test_what_is_refused(unchecked) -> None:
    with pytest.raises(ValueError, match=r"num_channels=0\): give a number, at least 1"):
        Regression(name="x", num_channels=0)
    with pytest.raises(ValueError, match=r"clamp=0.0\): give a number above 0"):
        Regression(name="x", clamp=0.0)
    with pytest.raises(ValueError, match=r"exponent=3\): allowed are 1 and 2"):
        Regression(name="x", exponent=3)  # pyright: ignore


def test_labels_are_blurred_at_the_end() -> None:
    point = torch.full((1, 65, 65), -1.0)
    point[0, 32, 32] = 1.0
    # a normal distribution with deviation 4 has 1 / (2 pi 4^2) of its mass in the middle pixel,
    # and e^-0.5 times that 4 pixels away; -1 + 2 * that
    middle = 2 / (2 * math.pi * 16)
    blurred = Regression(name="edges", blur=4.0).finish_label(point)[0] + 1
    assert blurred[32, 32].item() == pytest.approx(middle, rel=0.01)
    assert blurred[32, 36].item() == pytest.approx(middle * math.exp(-0.5), rel=0.01)
    assert torch.equal(Regression(name="edges").finish_label(point), point)
    # every channel for itself
    both = Regression(name="two", num_channels=2, blur=4.0).finish_label(torch.cat([point, -point]))
    assert torch.allclose(both[0] + 1, blurred) and torch.allclose(both[1], -both[0])


def test_an_unknown_pixel_makes_no_other_unknown() -> None:
    edges = torch.full((1, 3, 3), -1.0)
    edges[0, 1, 1] = torch.nan
    found = Regression(name="edges", blur=4.0).finish_label(edges)
    assert found.isnan().sum() == 1 and bool((found.nan_to_num(nan=-1.0) == -1).all())


def test_blur_is_a_number_of_pixels() -> None:
    with pytest.raises(ValueError, match=r"Regression\(blur=-1.0\): give pixels, at least 0"):
        Regression(name="edges", blur=-1.0)
