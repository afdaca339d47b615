"""The greatest mean IoU over thresholds."""

import math

import pytest
import torch

from coterie.metrics.dense.max_iou import MaxIoU
from tests.metrics.cases import map_statistics

METRIC = MaxIoU()


def row(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32).reshape(1, 1, -1)


def logit(*probabilities: float) -> torch.Tensor:
    return row(*probabilities).logit()


def test_by_hand() -> None:
    # Above .2 to .25: all 3 found, 1 right: 1/3. From .3 to .55: 2 found, 1/2. From .6 to .85: the
    # salient one alone, 1. Above .9: none found, 0 of 1. The unlabelled one is left out.
    found = map_statistics(METRIC, logit(0.88, 0.57, 0.27, 0.99), row(1, 0, 0, math.nan))
    assert found.tolist() == pytest.approx([1 / 3] * 2 + [1 / 2] * 6 + [1] * 6 + [0, 1])
    assert METRIC.score(found) == 100


def test_means_over_pictures_come_before_the_maximum() -> None:
    # First: salient at .88, other at .57: IoU 1/2 to .55, then 1 to .85, 0 at .9. Second: salient
    # at .42: IoU 1 to .4, then 0. The mean is 3/4 to .4, and 1/2 from .6 on.
    total = map_statistics(METRIC, logit(0.88, 0.57), row(1, 0)) + map_statistics(
        METRIC, logit(0.42), row(1)
    )
    assert METRIC.score(total) == pytest.approx(75)


def test_nothing_salient_and_nothing_found_is_right() -> None:
    assert METRIC.score(map_statistics(METRIC, logit(0.1, 0.1), row(0, 0))) == 100
    assert METRIC.score(map_statistics(METRIC, logit(0.95, 0.1), row(0, 0))) == 0
