"""Hand-worked views, and normals against those of the turned and mirrored surface itself."""

import math

import pytest
import torch

from coterie.metrics.dense.labels import normalize_vectors
from coterie.tasks.dense.augment import Augment, CropWindow, flip_sample
from coterie.tasks.dense.dataset import DenseSample
from coterie.tasks.dense.kinds.depth import Depth
from coterie.tasks.dense.kinds.distillation import Distillation
from coterie.tasks.dense.kinds.normals import Normals
from coterie.tasks.dense.kinds.segmentation import Segmentation

CLASSES, NORMAL, DEPTH = Segmentation(name="s", classes=7), Normals(name="n"), Depth(name="d")
TASKS = (CLASSES, NORMAL, DEPTH)


def surface(height: int = 5, breadth: int = 5) -> torch.Tensor:
    """Heights towards the viewer, without any symmetry."""
    return torch.rand(height, breadth, generator=torch.Generator().manual_seed(1))


def normals_of(heights: torch.Tensor) -> torch.Tensor:
    """(-dz/dx, -dz/dy, 1) at length 1, y going up, rows going down."""
    down, right = torch.gradient(heights)
    return normalize_vectors(torch.stack([-right, down, torch.ones_like(down)]))


def of(heights: torch.Tensor) -> DenseSample:
    """A picture of a surface."""
    return DenseSample(
        image=(heights * 255).round().byte().expand(3, -1, -1),
        labels={"s": (heights * 7).long(), "n": normals_of(heights), "d": 1 + heights[None]},
        source="x",
    )


def same(found: DenseSample, expected: DenseSample) -> None:
    """Both samples are alike, but for rounding."""
    assert torch.equal(found.image, expected.image)
    assert torch.equal(found.labels["s"], expected.labels["s"])
    assert torch.allclose(found.labels["n"], expected.labels["n"], atol=1e-5)
    assert torch.allclose(found.labels["d"], expected.labels["d"], atol=1e-5)


def test_a_mirrored_map_of_normals_is_that_of_the_mirrored_surface() -> None:
    heights = surface(4, 6)
    same(flip_sample(of(heights), TASKS), of(heights.flip(-1)))


@pytest.mark.parametrize(("degrees", "quarters"), [(90, 1), (180, 2), (-90, -1)])
def test_a_turned_map_of_normals_is_that_of_the_turned_surface(degrees, quarters) -> None:
    heights = surface()
    view = CropWindow(degrees=float(degrees), window=(5, 5))
    same(view.crop(of(heights), TASKS), of(torch.rot90(heights, quarters)))  # counter-clockwise


def test_a_quarter_turn_of_a_picture_that_is_no_square_leaves_the_corners_unknown() -> None:
    # 1 2 3 4 in a row stand on end, 4 above; of a window three pixels broad, only the middle
    # column shows them.
    sample = DenseSample(
        image=torch.full((3, 1, 4), 100, dtype=torch.uint8),
        labels={"s": torch.tensor([[1, 2, 3, 4]]), "d": torch.tensor([[[1.0, 2.0, 3.0, 4.0]]])},
        source="x",
    )
    high = CropWindow(degrees=90.0, window=(4, 1)).crop(sample, TASKS)
    assert high.labels["s"].tolist() == [[4], [3], [2], [1]]
    assert torch.allclose(high.labels["d"].flatten(), torch.tensor([4.0, 3.0, 2.0, 1.0]))
    broad = CropWindow(degrees=90.0, window=(4, 3)).crop(sample, TASKS)
    assert (
        broad.labels["s"][:, 0].tolist() == [255] * 4 and broad.labels["d"][0, :, 2].isnan().all()
    )
    assert broad.image[:, :, 1].unique().tolist() == [100] and broad.image[:, :, 0].sum() == 0


def test_zooming_in_brings_things_closer() -> None:
    sample = of(torch.ones(4, 4))
    near = CropWindow(factor=2.0, window=(4, 4)).crop(sample, TASKS)
    assert near.labels["d"].unique().tolist() == [1]  # 2 m over 2
    far = CropWindow(factor=0.5, window=(4, 4)).crop(sample, TASKS)
    # the picture is the 2 x 2 pixels in the middle
    assert (~far.labels["d"].isnan()).sum() == 4 and far.labels["d"][0, 1, 1] == 4
    assert (far.labels["s"] != 255).sum() == 4


def test_a_crop_takes_pixels_as_they_are() -> None:
    heights = surface(5, 6)
    corner = CropWindow(window=(2, 3), offset=(1.0, 0.0)).crop(of(heights), TASKS)
    assert torch.equal(corner.labels["d"], 1 + heights[None, 3:, :3])
    assert torch.equal(corner.labels["s"], (heights * 7).long()[3:, :3])


def test_a_map_of_classes_never_gains_a_class() -> None:
    label = torch.tensor([0, 6, 255])[torch.randint(3, (8, 9))]
    sample = DenseSample(
        image=torch.zeros(3, 8, 9, dtype=torch.uint8), labels={"s": label}, source="x"
    )
    augment = Augment(crop=(6, 6), scale=(0.5, 2.0), degrees=180.0)
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        found = augment.apply(sample, TASKS, generator).labels["s"]
        assert found.shape == (6, 6) and set(found.unique().tolist()) <= {0, 6, 255}


def test_normals_keep_their_length_and_a_turn_their_angles() -> None:
    flat = of(torch.zeros(7, 7))  # faces the viewer, however it is turned
    found = CropWindow(degrees=33.0, factor=1.3, window=(7, 7)).crop(flat, TASKS).labels["n"]
    known = ~found.isnan().all(0)
    assert known.sum() > 30 and torch.allclose(found[:, known].norm(dim=0), torch.ones(1))
    assert torch.allclose(found[2, known], torch.ones(1))
    slope = of(torch.arange(7.0).expand(7, 7) / 7)
    turned = CropWindow(degrees=30.0, window=(7, 7)).crop(slope, TASKS).labels["n"][:, 3, 3]
    # It faced left and the viewer; after 30 degrees counter-clockwise, left and a little down.
    assert math.degrees(math.atan2(turned[1], turned[0])) == pytest.approx(-150, abs=1e-3)


def test_chance_comes_from_the_generator_alone() -> None:
    sample = of(surface(8, 8))
    augment = Augment(crop=(5, 5), scale=(0.8, 1.2), degrees=20.0)
    first, second = (
        augment.apply(sample, TASKS, torch.Generator().manual_seed(seed)) for seed in (3, 3)
    )
    assert torch.equal(first.image, second.image)
    other = augment.apply(sample, TASKS, torch.Generator().manual_seed(4))
    assert not torch.equal(first.image, other.image)


def test_by_default_half_of_the_pictures_are_mirrored() -> None:
    sample = of(surface())
    generator = torch.Generator().manual_seed(0)
    flips = 0
    for _ in range(64):
        found = Augment().apply(sample, TASKS, generator)
        flips += torch.equal(found.image, sample.image.flip(-1))
        assert torch.equal(found.image, sample.image) or torch.equal(
            found.image, sample.image.flip(-1)
        )
    assert 20 <= flips <= 44  # 32, and three deviations of 4


def test_a_label_of_the_whole_picture_stays() -> None:
    task = Distillation(name="c", classes=2)
    sample = DenseSample(
        image=torch.zeros(3, 4, 4, dtype=torch.uint8),
        labels={"c": torch.tensor([0.25, 0.75])},
        source="x",
    )
    found = Augment(flip=1.0, crop=(2, 2), degrees=90.0, scale=(0.5, 2.0)).apply(
        sample, (task,), torch.Generator().manual_seed(0)
    )
    assert found.labels["c"].tolist() == [0.25, 0.75] and found.image.shape == (3, 2, 2)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"crop": (0, 4)}, r"crop=\(0, 4\)\): give at least 1 x 1"),
        ({"flip": 1.5}, r"flip=1.5\): give a probability"),
        ({"scale": (0.0, 1.0)}, r"scale=\(0.0, 1.0\)\): give the least, above 0"),
        ({"scale": (1.5, 1.0)}, r"scale=\(1.5, 1.0\)\): give the least"),
        ({"degrees": -1.0}, r"degrees=-1.0\): give 0 to 180"),
    ],
)
def test_wrong_choices_are_told(wrong, message) -> None:
    with pytest.raises(ValueError, match=message):
        Augment(**wrong)
