"""What all dense tasks share: checks of their choices, weights, and labels of 0 or 1."""

import math
from types import SimpleNamespace

import pytest
import torch

from coterie.tasks.dense.dataset import DenseSample
from coterie.tasks.dense.kinds.depth import Depth
from coterie.tasks.dense.kinds.distillation import Distillation
from coterie.tasks.dense.kinds.edges import Edges
from coterie.tasks.dense.kinds.normals import Normals
from coterie.tasks.dense.kinds.regression import Regression
from coterie.tasks.dense.kinds.segmentation import Segmentation


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


def test_labels_of_a_user_s_own_set_are_checked() -> None:
    tasks = (Depth(name="d"), Segmentation(name="s", classes=3), Distillation(name="c", classes=4),
             Edges(name="e"))  # fmt: skip
    good = {
        "d": torch.zeros(1, 2, 3), "e": torch.full((1, 2, 3), math.nan),
        "s": torch.tensor([[0, 1, 2], [255, 0, 0]]), "c": torch.zeros(4)
    }  # fmt: skip
    image = torch.zeros(3, 2, 3, dtype=torch.uint8)
    DenseSample(image=image, labels=good, source="row 7").check(tasks)
    for name, label, message in (
        ("d", torch.zeros(2, 3), r"shape \[2, 3\]; Depth needs \[1, 2, 3\] for an image of 2 x 3"),
        ("d", torch.zeros(1, 2, 2), r"shape \[1, 2, 2\]; Depth needs"),
        ("d", torch.zeros(1, 2, 3).double(), r"torch.float64; Depth needs torch.float32"),
        ("s", torch.zeros(1, 2, 3).long(), r"shape \[1, 2, 3\]; Segmentation needs \[2, 3\]"),
        ("s", torch.zeros(2, 3).byte(), r"torch.uint8; Segmentation needs torch.int64"),
        ("s", torch.full((2, 3), 3), r"the value 3: classes are 0 to 2, and 255 where unknown"),
        ("d", torch.full((1, 2, 3), -2.0), r"the value -2; a depth is 0 or more, and NaN where"),
        ("d", torch.full((1, 2, 3), math.inf), r"that is infinite; give NaN where a value is unkn"),
        ("e", torch.full((1, 2, 3), 255.0), r"the value 255; Edges needs 0 or 1, and NaN where"),
        ("c", torch.zeros(3), r"shape \[3\]; Distillation needs \[4\]"),
    ):
        sample = DenseSample(image=image, labels={**good, name: label}, source="row 7")
        with pytest.raises(ValueError, match=f"row 7: task '{name}' has a label .*{message}"):
            sample.check(tasks)
    for wrong in (image.float(), image[:1], image[0]):
        with pytest.raises(ValueError, match="row 7: an image of shape"):
            DenseSample.check(SimpleNamespace(image=wrong, source="row 7"), tasks)  # pyright: ignore
