"""Agreement with the teacher's most probable class."""

import math

import pytest
import torch

from coterie.metrics.dense.top1 import Top1
from tests.metrics.cases import map_statistics


def test_by_hand() -> None:
    # Agrees, does not, agrees; the last has no target: 2 of 3.
    cases = [
        ([1.0, 3.0, 2.0], [0.1, 0.5, 0.4]),
        ([1.0, 3.0, 2.0], [0.1, 0.4, 0.5]),
        ([-1.0, -3.0, -2.0], [0.6, 0.2, 0.2]),
        ([1.0, 0.0, 0.0], [1.0, math.nan, 0.0]),
    ]
    found = [map_statistics(Top1(), torch.tensor(p), torch.tensor(t)) for p, t in cases]
    assert [x.tolist() for x in found] == [[1, 1], [0, 1], [1, 1], [0, 0]]
    assert Top1().score(sum(found)) == pytest.approx(200 / 3)  # pyright: ignore
