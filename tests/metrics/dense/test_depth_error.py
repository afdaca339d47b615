"""Errors of depth."""

import math

import pytest
import torch

from coterie.metrics.dense.depth_error import DepthError
from coterie.metrics.dense.labels import DepthScale
from tests.metrics.cases import map_statistics


def row(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32).reshape(1, 1, -1)


def test_metres_by_hand() -> None:
    # Off by 1 of 2 m, 3 of 4 m, and 1 of 1 m, as no depth is below 0; 0 m and NaN do not count.
    prediction, label = row(3, 1, -5, 9, 9), row(2, 4, 1, 0, math.nan)
    for report, expected in (("rmse", math.sqrt(11 / 3)), ("abs_rel", (0.5 + 0.75 + 1) / 3)):
        metric = DepthError(report=report)
        assert metric.score(map_statistics(metric, prediction, label)) == pytest.approx(expected)


def test_logarithms_are_scored_in_metres() -> None:
    # log 4 / log 16 = 1/2 is 3 units and 1.5 m; log 2 / log 16 = 1/4 is 1 unit and .5 m.
    scale = DepthScale(units_per_metre=2.0, log_range=16.0)
    for report, expected in (("rmse", 1.0), ("abs_rel", 2.0)):
        metric = DepthError(scale=scale, report=report)
        assert metric.score(map_statistics(metric, row(0.5), row(0.25))) == pytest.approx(expected)


def test_what_is_refused(unchecked) -> None:
    with pytest.raises(
        ValueError, match=r"DepthError\(report='l1'\): allowed are 'rmse' and 'abs_rel'"
    ):
        DepthError(report="l1")  # pyright: ignore
