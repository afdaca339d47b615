"""Depth."""

import math

import pytest
import torch

from coterie.metrics.dense.depth_error import DepthError
from coterie.metrics.dense.labels import DepthScale
from coterie.tasks.dense.kinds.depth import Depth

LOG = DepthScale(log_range=16.0)


def row(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32).reshape(1, 1, -1)


def test_loss_is_of_labels_as_they_are_written() -> None:
    # |.5 - .25| and |1 - 0|, mean of two, whatever the scale.
    prediction, label = row(0.5, 1.0, 7.0)[None], row(0.25, 0.0, math.nan)[None]
    for task in (Depth(name="depth"), Depth(name="depth", scale=LOG)):
        assert task.compute_loss(prediction, label).tolist() == pytest.approx([0.625])


def test_twice_as_large_is_half_as_far() -> None:
    torch.testing.assert_close(Depth(name="d").scale_label(row(3.0, 1.0), 2.0), row(1.5, 0.5))
    # log 4 / log 16 = 1/2 is 3 m; half of it is 1.5 m: log 2.5 / log 16.
    found = Depth(name="d", scale=LOG).scale_label(row(0.5), 2.0)
    assert found.item() == pytest.approx(math.log(2.5) / math.log(16))


def test_metric(unchecked) -> None:
    task = Depth(name="depth", scale=LOG, report="abs_rel")
    assert task.make_metric() == DepthError(scale=LOG, report="abs_rel")
    with pytest.raises(ValueError, match=r"report='l1'\): allowed are 'rmse' and 'abs_rel'"):
        Depth(name="depth", report="l1")  # pyright: ignore
