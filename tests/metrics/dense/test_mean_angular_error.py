"""The mean angle between normals."""

import math

import pytest
import torch

from coterie.metrics.dense.mean_angular_error import MeanAngularError
from tests.metrics.cases import map_statistics

METRIC = MeanAngularError()


def pixels(*vectors: tuple[float, float, float]) -> torch.Tensor:
    return torch.tensor(vectors, dtype=torch.float32).T.reshape(3, 1, -1)


def test_by_hand() -> None:
    # 45 degrees, 0, 90 for nothing, 180 for the opposite; the last has no label: 315 / 4.
    found = pixels((1, 0, 1), (0, 3, 0), (0, 0, 0), (0, 0, -2), (1, 0, 0))
    right = pixels((0, 0, 1), (0, 1, 0), (1, 0, 0), (0, 0, 1), (math.nan,) * 3)
    statistics = map_statistics(METRIC, found, right)
    assert statistics.tolist() == pytest.approx([315.0, 4.0])
    assert METRIC.score(statistics) == pytest.approx(78.75)


def test_lower_is_better_in_degrees() -> None:
    assert not METRIC.higher_is_better and METRIC.unit == "deg"
