"""Saliency."""

import math

import pytest
import torch

from coterie.metrics.dense.max_f import MaxF
from coterie.metrics.dense.max_iou import MaxIoU
from coterie.tasks.dense.kinds.saliency import Saliency

TASK = Saliency(name="sal")


def row(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32).reshape(1, 1, 1, -1)


def test_loss_by_hand() -> None:
    # 1 of 4 labelled is salient: w = 3/4. A logit of log 3 is a probability of 3/4.
    # Salient: 3/4 * log 4/3. Others, logit 0: 3 * 1/4 * log 2. Mean over the 4 labelled.
    loss = TASK.compute_loss(row(math.log(3), 0, 0, 0, 9), row(1, 0, 0, 0, math.nan))
    assert loss.tolist() == pytest.approx([0.75 * (math.log(4 / 3) + math.log(2)) / 4])


def test_each_picture_has_its_own_balance() -> None:
    # w = 1/2: every pixel 1/2 * log 2. w = 3/4: (3/4 + 3 * 1/4) * log 2 / 4.
    label = torch.cat((row(1, 1, 0, 0), row(1, 0, 0, 0)))
    loss = TASK.compute_loss(torch.zeros(2, 1, 1, 4), label)
    assert loss.tolist() == pytest.approx([math.log(2) / 2, math.log(2) * 3 / 8])


def test_a_picture_of_one_kind_costs_nothing() -> None:
    # All salient: w = 0 for them. None salient: 1 - w = 0 for them. As in HED.
    assert (
        TASK.compute_loss(row(-1, -1), row(1, 1)).item()
        == TASK.compute_loss(row(1, 1), row(0, 0)).item()
        == 0
    )


def test_report(unchecked) -> None:
    assert (
        TASK.make_metric() == MaxIoU() and Saliency(name="sal", report="f").make_metric() == MaxF()
    )
    with pytest.raises(ValueError, match=r"Saliency\(report='mae'\): allowed are 'iou' and 'f'"):
        Saliency(name="sal", report="mae")  # pyright: ignore
