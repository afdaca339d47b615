"""What all dense tasks share: checks of their choices, weights, and labels of 0 or 1."""

import math

import pytest
import torch

from coterie.tasks.dense.kinds.depth import Depth
from coterie.tasks.dense.kinds.edges import Edges
from coterie.tasks.dense.kinds.normals import Normals
from coterie.tasks.dense.kinds.regression import Regression


@pytest.mark.usefixtures("unchecked")
def test_choices_are_those_of_the_annotation() -> None:
    for kind, given, message in (
        (Depth, {"report": "mse"}, r"Depth\(report='mse'\): allowed are 'rmse' and 'abs_rel'"),
        (Normals, {"criterion": "l2"}, r"Normals\(criterion='l2'\): allowed are 'l1' and 'cosine'"),
        (Regression, {"exponent": 3}, r"Regression\(exponent=3\): allowed are 1 and 2"),
    ):
        with pytest.raises(ValueError, match=message):
            kind(name="task", **given)


def test_losses_of_labelled_images_are_weighted() -> None:
    task = Depth(name="d", weight=3.0)
    labels = torch.tensor([2.0, math.nan, 5.0]).reshape(3, 1, 1, 1)
    batch = {"labels": {"d": labels}, "known": {"d": torch.tensor([True, False, True])}}
    # Differences of 1 and 4, times 3; the second image has no label.
    found = task.compute_weighted_losses(torch.ones(3, 1, 1, 1), batch)
    assert found.tolist() == [3.0, 12.0]


def test_means_of_0_and_1_are_rounded() -> None:
    label = torch.tensor([[[0.4, 0.5, math.nan]]])
    found = Edges(name="e").renormalize_label(label)
    torch.testing.assert_close(found, torch.tensor([[[0.0, 1.0, math.nan]]]), equal_nan=True)
