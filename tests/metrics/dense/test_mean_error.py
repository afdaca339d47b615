"""Mean errors."""

import math

import pytest
import torch

from coterie.metrics.dense.mean_error import MeanError
from tests.metrics.cases import map_statistics


def row(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32).reshape(1, 1, -1)


@pytest.mark.parametrize("power, expected", [(1, 7 / 2), (2, math.sqrt(25 / 2))])
def test_by_hand(power, expected: float) -> None:
    # |4 - 1| = 3, |-2 - 2| = 4, and one without a label.
    metric = MeanError(exponent=power)
    statistics = map_statistics(metric, row(4, -2, 9), row(1, 2, math.nan))
    assert metric.score(statistics) == pytest.approx(expected)
    assert not metric.higher_is_better


def test_what_is_refused(unchecked) -> None:
    with pytest.raises(ValueError, match=r"MeanError\(exponent=0\): allowed are 1 and 2"):
        MeanError(exponent=0)  # pyright: ignore
