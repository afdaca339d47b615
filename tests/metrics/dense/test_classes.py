import numpy as np
import pytest
import torch

from coterie.metrics.dense.labels import to_class_map


def test_unknown_becomes_ignored() -> None:
    found = to_class_map(np.array([[-1.0, 2.0]]), classes=3, unknown=-1, ignored=255)
    assert found.dtype == torch.int64 and found.tolist() == [[255, 2]]


@pytest.mark.parametrize("wrong", [3.0, 1.5, -2.0, np.nan])
def test_other_numbers_are_refused(wrong) -> None:
    with pytest.raises(ValueError, match=rf"holds {wrong}: classes 0 to 2 are allowed, and -1"):
        to_class_map(np.array([[0.0, wrong]]), classes=3, unknown=-1, ignored=255)
