"""Segmentation."""

import math

import pytest
import torch

from coterie.metrics.dense.mean_iou import MeanIoU
from coterie.tasks.dense.kinds.segmentation import Segmentation


def test_loss_by_hand() -> None:
    # Softmax of (log 3, 0) is (3/4, 1/4). Class 0: -log 3/4; class 1: -log 1/4; 255 is left out.
    prediction = torch.tensor([[math.log(3)] * 3, [0.0] * 3]).reshape(1, 2, 1, 3)
    label = torch.tensor([[[0, 1, 255]]])
    loss = Segmentation(name="semseg", classes=2).compute_loss(prediction, label)
    assert loss.tolist() == pytest.approx([(math.log(4 / 3) + math.log(4)) / 2])


def test_pictures_count_alike_however_much_is_labelled() -> None:
    # One picture has 3 pixels of loss log 2, the other 1 of loss log 2.
    label = torch.tensor([[[0, 1, 0]], [[1, -1, -1]]])
    loss = Segmentation(name="parts", classes=2, ignore_index=-1).compute_loss(
        torch.zeros(2, 2, 1, 3), label
    )
    assert loss.tolist() == pytest.approx([math.log(2)] * 2)


def test_metric_and_channels() -> None:
    task = Segmentation(name="human_parts", classes=7, weight=2.0)
    assert task.make_metric() == MeanIoU(classes=7, ignore_index=255) and task.channels == 7


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match=r"classes=1\): give a number, at least 2"):
        Segmentation(name="semseg", classes=1)
    with pytest.raises(ValueError, match=r"ignore_index=0\): this is one of the 3 classes"):
        Segmentation(name="semseg", classes=3, ignore_index=0)
