"""What may be a sensor, how its maps change with the image, and which may be withheld."""

from typing import Any

import pytest
import torch

from coterie.tasks.dense.dataset import DenseSample
from coterie.tasks.dense.kinds.depth import Depth
from coterie.tasks.dense.kinds.distillation import Distillation
from coterie.tasks.dense.kinds.normals import Normals
from coterie.tasks.dense.kinds.regression import Regression
from coterie.tasks.dense.kinds.segmentation import Segmentation
from coterie.tasks.dense.sensor import IMAGE, Sensor, check_withheld

DEPTH, OPTIONAL = (Sensor(task=Depth(name="depth"), optional=each) for each in (False, True))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"task": Regression(name="near infrared")}, "'near infrared': name it with letters"),
        (
            {"task": Segmentation(name="map", classes=3)},
            "'map' is a Segmentation: give a task with",
        ),
        (
            {"task": Distillation(name="kind", classes=3)},
            "'kind' is a Distillation: give a task wi",
        ),
        (
            {"task": Normals(name="n"), "mean": (0.0, 1.0)},
            r"mean=\(0.0, 1.0\): .* each of its 3 ch",
        ),
        ({"task": Depth(name="d"), "mean": (float("nan"),)}, "give a finite number"),
        ({"task": Depth(name="d"), "std": (0.0,)}, r"std=\(0.0,\): give numbers above 0"),
    ],
)
def test_sensors_that_cannot_be(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sensor(**fields)


def test_numbers_are_of_each_channel_or_of_all() -> None:
    maps = torch.tensor([4.0, torch.nan, 8.0]).view(3, 1, 1)
    one = Sensor(task=Normals(name="normals"), mean=(2.0,), std=(2.0,)).normalize(maps)
    assert one.flatten().nan_to_num(nan=-1).tolist() == [1, -1, 3]
    each = Sensor(task=Normals(name="normals"), mean=(0.0, 0.0, 6.0), std=(1.0, 1.0, 2.0))
    assert each.normalize(maps).flatten().nan_to_num(nan=-1).tolist() == [4, -1, 1]
    assert each.describe() == {"name": "normals", "channels": 3}


def sample(**sensors: torch.Tensor) -> DenseSample:
    image = torch.zeros(3, 2, 2, dtype=torch.uint8)
    return DenseSample(image=image, labels={}, source="row 7", sensors=sensors)


def test_a_sample_has_its_sensors_unless_they_are_optional_or_withheld() -> None:
    full, empty = sample(depth=torch.ones(1, 2, 2)), sample()
    full.check((), (IMAGE, DEPTH))
    empty.check((), (IMAGE, OPTIONAL))
    assert full.has(IMAGE) and full.has(DEPTH) and not empty.has(DEPTH)
    without = full.withhold(["depth"]).withhold(["image"])
    assert not without.has(DEPTH) and not without.has(IMAGE) and "depth" in without.sensors
    for sensors in ((IMAGE, DEPTH), (OPTIONAL,)):
        with pytest.raises(ValueError, match="row 7: the sensor 'depth' is missing: give its map"):
            empty.check((), sensors)
    with pytest.raises(ValueError, match="row 7: sensor 'depth' has a label of shape"):
        sample(depth=torch.ones(1, 3, 2)).check((), (IMAGE, DEPTH))


def test_maps_change_as_labels_of_their_task() -> None:
    maps = sample(depth=torch.full((1, 2, 2), 6.0))
    found = maps.transform(
        maps.image, (DEPTH.task,), lambda each, task: task.scale_label(each, 2.0)
    )
    assert found.sensors["depth"].unique().tolist() == [3]  # 6 m at twice the size


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("dept",), r"without=\('dept',\): give some of the inputs image, depth .*mean depth"),
        (("image", "depth"), "leaves no input: the data set has image, depth, and one must remain"),
    ],
)
def test_names_that_cannot_be_withheld(names: tuple[str, ...], message: str) -> None:
    check_withheld((), (IMAGE, DEPTH), "without")
    with pytest.raises(ValueError, match=message):
        check_withheld(names, (IMAGE, DEPTH), "without")
