"""Edges."""

import math

import pytest
import torch

from coterie.metrics.dense.ods_f import OdsF
from coterie.tasks.dense.kinds.edges import Edges


def test_loss_by_hand() -> None:
    # A logit of log 3 is a probability of 3/4. Edge: 0.95 * log 4/3; none: 0.05 * log 4; mean of 2.
    prediction = torch.tensor([math.log(3)] * 3).reshape(1, 1, 1, 3)
    label = torch.tensor([1.0, 0.0, math.nan]).reshape(1, 1, 1, 3)
    loss = Edges(name="edge").compute_loss(prediction, label)
    assert loss.tolist() == pytest.approx([(0.95 * math.log(4 / 3) + 0.05 * math.log(4)) / 2])


def test_metric() -> None:
    assert Edges(name="edge").make_metric() == OdsF(thresholds=99, max_distance=0.0075, thin=True)
    assert Edges(name="edge", thresholds=9).make_metric() == OdsF(thresholds=9)


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match=r"positive_weight=1.0\): give a number between 0 and 1"):
        Edges(name="edge", positive_weight=1.0)
    with pytest.raises(ValueError, match=r"thresholds=0\): give a number, at least 1"):
        Edges(name="edge", thresholds=0)
