"""How training and all else see a sample."""

from collections import Counter
from dataclasses import replace

import pytest
import torch

from coterie.models.multitask_vision.fusions.mean import MeanFusion
from coterie.tasks.dense.augment import Augment
from coterie.tasks.dense.dataset import DenseSample
from coterie.tasks.dense.kinds.depth import Depth
from coterie.tasks.dense.kinds.regression import Regression
from coterie.tasks.dense.sensor import IMAGE, Sensor
from coterie.tasks.dense.vision_config import VisionConfig

DEPTH = Sensor(task=Depth(name="depth"))
TASKS = (Regression(name="row"),)


def sample() -> DenseSample:
    """4 x 4 pixels; a pixel's label is the number of its row."""
    rows = torch.arange(4.0)[None, :, None].expand(1, 4, 4).clone()
    image = (rows * 10).byte().expand(3, 4, 4).clone()
    return DenseSample(image=image, labels={"row": rows}, source="one")


def test_equal_lots_are_equal_draws() -> None:
    vision = VisionConfig(augment=Augment(crop=(2, 2)))
    tops = [
        vision.transform_for_training(sample(), TASKS, lot).labels["row"][0, 0, 0].item()
        for lot in range(20)
    ]
    assert tops == [
        vision.transform_for_training(sample(), TASKS, lot).labels["row"][0, 0, 0].item()
        for lot in range(20)
    ]
    assert set(tops) == {0.0, 1.0, 2.0}  # where a window of 2 fits into 4


def test_all_else_sees_the_middle_of_what_training_cuts_windows_of() -> None:
    seen = VisionConfig(augment=Augment(crop=(2, 2))).transform_for_evaluation(sample(), TASKS)
    assert seen.labels["row"].tolist() == [[[1, 1], [2, 2]]]
    assert seen.image[0].tolist() == [[10, 10], [20, 20]]
    assert VisionConfig().transform_for_evaluation(sample(), TASKS).image.shape == (3, 4, 4)
    assert VisionConfig(size=(8, 2)).transform_for_evaluation(sample(), TASKS).labels[
        "row"
    ].shape == (1, 8, 2)


@pytest.mark.parametrize("drawn", [False, True])
def test_labels_are_blurred_after_the_window_is_cut(drawn: bool) -> None:
    # Rows 0 to 3 of a label; the window of 2 x 2 has rows r and r + 1. Beyond its border it is
    # mirrored, so rows far apart in the blur's eyes are r and r + 1 in equal parts: r + .5. Had
    # the label been blurred before, the window would tend to the picture's mean, 1.5, wherever.
    tasks = (Regression(name="row", blur=4.0),)
    vision = VisionConfig(augment=Augment(crop=(2, 2), flip=0.0))
    found = set()
    for lot in range(20 if drawn else 1):
        seen = (
            vision.transform_for_training(sample(), tasks, lot)
            if drawn
            else vision.transform_for_evaluation(sample(), tasks)
        )
        top = seen.image[0, 0, 0].item() / 10
        assert torch.allclose(seen.labels["row"], torch.tensor(top + 0.5), atol=1e-3)
        found.add(top)
    assert found == ({0.0, 1.0, 2.0} if drawn else {1.0})


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_drop_path_is_a_share(rate: float) -> None:
    with pytest.raises(ValueError, match=r"drop_path=.*give 0 or more, below 1, or None"):
        VisionConfig(drop_path=rate)


def test_maps_of_sensors_move_with_the_image() -> None:
    vision = VisionConfig(augment=Augment(crop=(2, 2), flip=1.0, scale=(2.0, 2.0)))
    both = replace(sample(), sensors={"depth": sample().labels["row"]})
    seen = vision.transform_for_training(both, TASKS, 3, (IMAGE, DEPTH))
    # Depth is halved at twice the size, as its label would be; the other label is not.
    torch.testing.assert_close(seen.sensors["depth"], seen.labels["row"] / 2)
    assert seen.sensors["depth"].shape == (1, 2, 2)
    with pytest.raises(ValueError, match="one: the sensor 'depth' is missing"):
        vision.transform_for_training(sample(), TASKS, 3, (IMAGE, DEPTH))


def test_sensors_are_dropped_by_chance_but_never_all() -> None:
    both = replace(sample(), sensors={"depth": torch.ones(1, 4, 4)})
    found = Counter(
        VisionConfig(drop_sensors=0.5, augment=None)
        .transform_for_training(both, TASKS, seed, (IMAGE, DEPTH))
        .withheld
        for seed in range(400)
    )
    # Of two numbers, both are above one half with 1/4; the smaller alone goes else.
    assert found[frozenset()] == pytest.approx(100, abs=30)
    assert found[frozenset({"image"})] == pytest.approx(150, abs=35)
    assert sum(found.values()) == 400 and len(found) == 3


def test_sensors_are_withheld_in_evaluation_alone() -> None:
    vision, sensors = VisionConfig(without=("depth",), fusion=MeanFusion()), (IMAGE, DEPTH)
    both = replace(sample(), sensors={"depth": torch.ones(1, 4, 4)})
    assert vision.transform_for_evaluation(both, TASKS, sensors).withheld == {"depth"}
    assert not vision.transform_for_training(both, TASKS, 0, sensors).withheld
    vision.check_sensors(sensors)


def test_sensors_that_cannot_be() -> None:
    with pytest.raises(ValueError, match=r"inputs image and depth, and vision.fusion is None: set"):
        VisionConfig().check_sensors((IMAGE, DEPTH))
    with pytest.raises(ValueError, match=r"vision.without=\('depth',\): give some of the inputs"):
        VisionConfig(without=("depth",)).check_sensors((IMAGE,))
    with pytest.raises(ValueError, match=r"vision.drop_sensors=0.5, and .* input image alone, whi"):
        VisionConfig(drop_sensors=0.5).check_sensors((IMAGE,))
    with pytest.raises(ValueError, match=r"drop_sensors=1.0\): give 0 or more, below 1"):
        VisionConfig(drop_sensors=1.0)


def test_nothing_by_chance() -> None:
    drawn = VisionConfig(augment=None).transform_for_training(sample(), TASKS, 0)
    assert torch.equal(drawn.labels["row"], sample().labels["row"])


def test_sizes_that_cannot_be() -> None:
    with pytest.raises(ValueError, match=r"VisionConfig\(size=\(0, 4\)\): give at least 1 x 1"):
        VisionConfig(size=(0, 4))
