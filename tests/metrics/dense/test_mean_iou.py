"""Mean IoU."""

import numpy as np
import pytest
import torch
from torchmetrics import JaccardIndex

from coterie.metrics.dense.mean_iou import MeanIoU
from tests.metrics.cases import map_statistics


def logits(classes: torch.Tensor, count: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(classes, count).permute(2, 0, 1).float()


def test_by_hand() -> None:
    # Labelled: right 0 0 1 1, found 0 1 1 1. Class 0: 1 of 2; class 1: 2 of 3; class 2 is nowhere.
    right, found = torch.tensor([[0, 0, 1, 1, 255]]), torch.tensor([[0, 1, 1, 1, 2]])
    metric = MeanIoU(classes=3)
    statistics = map_statistics(metric, logits(found, 3), right)
    assert statistics.tolist() == [1, 2, 0, 1, 3, 0, 2, 2, 0]
    assert metric.score(statistics) == pytest.approx(100 * (1 / 2 + 2 / 3) / 2)


def test_unions_are_of_all_pictures() -> None:
    # Class 1: 1 of 1 in the first, 0 of 1 in the second: 1 of 2, and so is class 0.
    metric, zero, one = MeanIoU(classes=2), torch.tensor([[0]]), torch.tensor([[1]])
    parts = [(one, one), (zero, one), (zero, zero)]
    total = sum(map_statistics(metric, logits(found, 2), right) for found, right in parts)
    assert isinstance(total, np.ndarray) and metric.score(total) == pytest.approx(50.0)


@pytest.mark.parametrize("present", [2, 5])
def test_as_torchmetrics(present: int) -> None:
    # With 2 of 5 classes, others are absent from labels and predictions.
    right = torch.randint(0, present, (3, 6, 7))
    right[0, :2] = 255
    prediction = torch.randn(3, 5, 6, 7)
    prediction[:, present:] = -100
    theirs = JaccardIndex(task="multiclass", num_classes=5, ignore_index=255)
    metric = MeanIoU(classes=5)
    total = np.sum(
        [map_statistics(metric, p, r) for p, r in zip(prediction, right, strict=True)], axis=0
    )
    assert metric.score(total) == pytest.approx(100 * theirs(prediction, right).item(), rel=1e-5)


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a label is 3: classes are 0 to 2, and 255 where"):
        map_statistics(MeanIoU(classes=3), torch.zeros(3, 1, 1), torch.tensor([[3]]))
    with pytest.raises(ValueError, match=r"MeanIoU\(classes=0\): give a number, at least 2"):
        MeanIoU(classes=0)
    with pytest.raises(ValueError, match=r"ignore_index=2\): this is one of the 3 classes"):
        MeanIoU(classes=3, ignore_index=2)
