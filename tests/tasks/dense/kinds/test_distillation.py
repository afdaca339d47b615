"""Soft classes of the whole picture."""

import math

import pytest
import torch

from coterie.tasks.dense.kinds.distillation import Distillation

TARGET = torch.tensor([[0.75, 0.25], [math.nan, 0.5]])
PREDICTION = torch.tensor([[math.log(3), 0.0], [1.0, 1.0]])


def test_mse_by_hand() -> None:
    # The second has no target.
    loss = Distillation(name="class_scene", classes=2).compute_loss(PREDICTION, TARGET)
    assert loss.tolist() == pytest.approx([((math.log(3) - 0.75) ** 2 + 0.25**2) / 2, 0.0])


def test_cross_entropy_by_hand() -> None:
    # The softmax of (log 3, 0) is (3/4, 1/4), the target itself: its entropy.
    task = Distillation(name="class_scene", classes=2, criterion="cross_entropy")
    entropy = 0.75 * math.log(4 / 3) + 0.25 * math.log(4)
    assert task.compute_loss(PREDICTION, TARGET).tolist() == pytest.approx([entropy, 0.0])


def test_is_of_the_whole_picture() -> None:
    assert Distillation(name="class_object", classes=1000).is_image_level


def test_what_is_refused(unchecked) -> None:
    with pytest.raises(ValueError, match=r"classes=1\): give a number, at least 2"):
        Distillation(name="x", classes=1)
    with pytest.raises(
        ValueError, match=r"criterion='kl'\): allowed are 'mse' and 'cross_entropy'"
    ):
        Distillation(name="x", classes=2, criterion="kl")  # pyright: ignore
