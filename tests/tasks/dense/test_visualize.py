"""Labels and predictions as pictures."""

import math

import pytest
import torch

from coterie.tasks.dense.kinds.depth import Depth
from coterie.tasks.dense.kinds.distillation import Distillation
from coterie.tasks.dense.kinds.edges import Edges
from coterie.tasks.dense.kinds.normals import Normals
from coterie.tasks.dense.kinds.regression import Regression
from coterie.tasks.dense.kinds.saliency import Saliency
from coterie.tasks.dense.kinds.segmentation import Segmentation
from coterie.tasks.dense.visualize import VIRIDIS, apply_viridis, compute_value_range

NAN = math.nan
LOW, HIGH, GREY = list(VIRIDIS[0]), list(VIRIDIS[-1]), [128, 128, 128]


def pixels(picture: torch.Tensor | None) -> list[list[int]]:
    """The colours of a picture of one row."""
    assert picture is not None and picture.dtype == torch.uint8
    return picture[:, 0].T.tolist()


def test_a_scale_of_colours() -> None:
    # Ten places: a half is between the fifth and sixth, (38 + 31) / 2 = 34.5 and so on; to even.
    assert pixels(apply_viridis(torch.tensor([[0.0, 0.5, 1.0, NAN]]))) == [
        LOW, [34, 144, 140], HIGH, GREY
    ]  # fmt: skip
    # Of 101 numbers, the third and the third last: the 2 % at each end are none of the scale.
    assert compute_value_range(torch.arange(101.0)) == (2.0, 98.0)
    assert compute_value_range(torch.tensor([NAN])) == (0.0, 1.0)


@pytest.mark.parametrize("task", [Depth(name="d"), Regression(name="r")])
def test_one_number_is_on_the_scale_of_its_label(task: Depth | Regression) -> None:
    label = torch.tensor([[[1.0, 3.0, NAN]]])
    truth, said = task.visualize(torch.tensor([[[9.0, 1.0, 1.0]]]), label)
    assert pixels(truth) == [LOW, HIGH, GREY] and pixels(said) == [HIGH, LOW, LOW]
    # Without a label, on its own.
    for none in (None, torch.full_like(label, NAN)):
        assert pixels(task.visualize(torch.tensor([[[9.0, 1.0, 1.0]]]), none).prediction) == [
            HIGH, LOW, LOW
        ]  # fmt: skip


def test_two_numbers_are_red_and_green() -> None:
    label = torch.tensor([[[0.0, 1.0, 1.0]], [[4.0, 8.0, NAN]]])
    truth, said = Regression(name="r", num_channels=2).visualize(label.flip(2), label)
    # Half of 255 is 127.5, which is rounded to even.
    assert pixels(truth) == [[0, 0, 128], [255, 255, 128], GREY]
    assert pixels(said) == [GREY, [255, 255, 128], [0, 0, 128]]


@pytest.mark.parametrize("task", [Edges(name="e"), Saliency(name="s")])
def test_probabilities(task: Edges | Saliency) -> None:
    truth, said = task.visualize(
        torch.tensor([[[-99.0, 99.0, 99.0]]]), torch.tensor([[[0.0, 1.0, NAN]]])
    )
    assert pixels(truth) == [LOW, HIGH, GREY] and pixels(said) == [LOW, HIGH, HIGH]


def test_normals_are_colours() -> None:
    label = torch.tensor([[[0.0, NAN]], [[0.0, NAN]], [[1.0, NAN]]])
    truth, said = Normals(name="n").visualize(5 * label.nan_to_num(0.0), label)
    # (0 + 1) / 2 of 255 is 128, to even. A prediction of no length points nowhere.
    assert pixels(truth) == pixels(said) == [[128, 128, 255], GREY]


def test_classes_have_colours_of_their_own() -> None:
    task = Segmentation(name="s", classes=40)
    logits = torch.eye(40)[:, None]  # pixel i is of class i
    label = torch.arange(40)[None].clone()
    label[0, 39] = 255
    truth, said = task.visualize(logits, label)
    assert len({tuple(each) for each in pixels(said)}) == 40
    assert pixels(truth)[:39] == pixels(said)[:39] and pixels(truth)[39] == GREY
    # The first: hue 0, lightness .45, saturation .65: .45 (1 + .65) and .45 (1 - .65), of 255.
    assert pixels(said)[0] == [189, 40, 40]
    assert task.visualize(logits, None).label is None


def test_a_picture_of_classes_has_bars() -> None:
    truth, said = Distillation(name="c", classes=2).visualize(
        torch.tensor([0.5, 0.25]), torch.tensor([0.0, 1.0])
    )
    # Two bars of 4 pixels with a gap, on a scale up to 1, 64 pixels high.
    assert said.shape == (3, 64, 8)
    yellow = (said == torch.tensor(HIGH)[:, None, None]).all(0)
    assert yellow.sum(0).tolist() == [32, 32, 32, 0, 16, 16, 16, 0] and yellow[-1, 0]
    assert truth is not None and pixels(truth)[4] == HIGH
    many = Distillation(name="c", classes=100, criterion="cross_entropy")
    bars = many.visualize(torch.zeros(100), torch.full((100,), NAN))
    assert bars.label is None and bars.prediction.shape == (3, 64, 32 * 4)
