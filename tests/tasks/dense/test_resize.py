import math

import pytest
import torch

from coterie.tasks.dense.dataset import DenseSample
from coterie.tasks.dense.kinds.distillation import Distillation
from coterie.tasks.dense.kinds.edges import Edges
from coterie.tasks.dense.kinds.normals import Normals
from coterie.tasks.dense.kinds.segmentation import Segmentation
from coterie.tasks.dense.resize import (
    resize_bilinear,
    resize_image,
    resize_label,
    resize_nearest,
    resize_sample,
)

NAN = math.nan


def test_a_smaller_pixel_is_the_mean_of_what_it_covers() -> None:
    # Half as broad: the triangle of Pillow's bilinear reaches 2 pixels from a centre. Centre 1 (of
    # pixels 0.5, 1.5, 2.5, 3.5) weighs them 3, 3, 1, 0 over 7: (0 + 3 * 7 + 1 * 14) / 7 = 5.
    found = resize_bilinear(torch.tensor([[[0.0, 7.0, 14.0, 21.0]]]), (1, 2))
    assert torch.allclose(found, torch.tensor([[[5.0, 16.0]]]))


def test_unknown_pixels_leave_their_weight_to_the_others() -> None:
    # as above without the second: (3 * 0 + 1 * 14) / 4 = 3.5
    found = resize_bilinear(torch.tensor([[[0.0, NAN, 14.0, 21.0]]]), (1, 2))
    assert found[0, 0, 0].item() == pytest.approx(3.5)


def test_what_has_no_known_neighbour_is_unknown() -> None:
    found = resize_bilinear(torch.tensor([[[NAN, NAN, NAN, NAN, 5.0]]]), (1, 5))
    assert found.isnan().tolist() == [[[True, True, True, True, False]]]
    # Twice as broad, pixels lie a quarter off: those next to the known one know it, too.
    twice = resize_bilinear(torch.tensor([[[NAN, 5.0]]]), (1, 4))
    assert twice.isnan().tolist() == [[[True, False, False, False]]]
    assert twice[0, 0, 1:].tolist() == [5, 5, 5]


def test_a_class_comes_from_the_pixel_under_the_centre() -> None:
    # Centres of 3 in 5 lie at 5/6, 15/6 and 25/6 pixels: numbers 0, 2 and 4.
    assert resize_nearest(torch.tensor([[10, 11, 12, 13, 14]]), (1, 3)).tolist() == [[10, 12, 14]]
    assert resize_nearest(torch.tensor([[1], [2]]), (4, 1)).tolist() == [[1], [1], [2], [2]]


def test_a_map_of_classes_never_gains_a_class() -> None:
    label = torch.tensor([0, 7, 255])[torch.randint(3, (9, 7))]
    task = Segmentation(name="s", classes=8)
    for size in ((4, 5), (20, 3), (9, 7), (1, 1)):
        found = resize_label(label, task, size)
        assert found.shape == size and set(found.unique().tolist()) <= {0, 7, 255}


def test_normals_are_of_length_one_again() -> None:
    # halfway between facing right and facing the viewer: both over the root of 2
    label = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]]).view(3, 1, 2)
    found = resize_label(label, Normals(name="n"), (1, 1))
    assert torch.allclose(found.flatten(), torch.tensor([0.5**0.5, 0.0, 0.5**0.5]))


def test_edges_stay_edges_or_none() -> None:
    label = torch.tensor([[[1.0, 1.0, 0.0, 0.0, NAN, NAN, NAN, NAN]]])
    found = resize_label(label, Edges(name="e"), (1, 4))
    assert found[0, 0, :2].tolist() == [1, 0] and found[0, 0, 3].isnan()


def test_an_image_is_resized_as_pillow_does_it() -> None:
    # as the first test, in whole numbers
    image = torch.tensor([[[0, 7, 14, 21]]], dtype=torch.uint8).expand(3, 1, 4)
    assert resize_image(image, (1, 2)).tolist() == [[[5, 16]]] * 3


def test_all_of_a_sample_has_the_new_size() -> None:
    tasks = (Segmentation(name="s", classes=2), Distillation(name="c", classes=2), Edges(name="e"))
    sample = DenseSample(
        image=torch.zeros(3, 4, 6, dtype=torch.uint8),
        labels={"s": torch.zeros(4, 6, dtype=torch.int64), "c": torch.tensor([0.25, 0.75])},
        source="x",
    )
    found = resize_sample(sample, tasks, (2, 3))
    assert found.image.shape == (3, 2, 3) and found.labels["s"].shape == (2, 3)
    assert found.labels["c"].tolist() == [0.25, 0.75] and "e" not in found.labels
    assert found.source == "x" and sample.image.shape == (3, 4, 6)
    with pytest.raises(ValueError, match="0 x 3 pixels: give at least 1 x 1"):
        resize_sample(sample, tasks, (0, 3))
