"""CAGrad against directions worked out by hand."""

import math

import pytest
import torch

from coterie.balancing.cagrad import CAGrad


def test_two_tasks_that_conflict_symmetrically() -> None:
    # g1 = (1, 1), g2 = (-1, 1): the mean g0 = (0, 1) is also the convex combination g_w that
    # minimises g_w . g0 + c |g0| |g_w| (its second coordinate is 1 for every w).
    # d = g0 + c |g0| g_w / |g_w| = (0, 1 + c)
    combined = CAGrad(c=0.5).build_aggregator()(torch.tensor([[1.0, 1.0], [-1.0, 1.0]]))
    assert combined.tolist() == pytest.approx([0.0, 1.5], abs=1e-4)


def test_radius_0_is_the_mean() -> None:
    combined = CAGrad(c=0.0).build_aggregator()(torch.tensor([[1.0, 0.0], [-1.0, 1.0]]))
    assert combined.tolist() == pytest.approx([0.0, 0.5], abs=1e-5)


@pytest.mark.parametrize("c", [-0.1, 1.0, math.nan])
def test_bad_radius(c: float) -> None:
    with pytest.raises(ValueError, match=r"CAGrad\(c=.*give a number in \[0, 1\)"):
        CAGrad(c=c)
