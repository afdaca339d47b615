"""Refusal of names that are none of a data set's tasks or sensors."""

import pytest

from coterie.datasets.base import check_names, select_sensors
from coterie.tasks.dense.kinds.depth import Depth
from coterie.tasks.dense.sensor import Sensor


def test_tasks_that_there_are_not(unchecked: None) -> None:
    check_names("Box", ("depth",), ("depth", "normals"))
    with pytest.raises(ValueError) as error:
        check_names("Box", ("depth", "normal"), ("depth", "normals"))
    assert str(error.value) == (
        "Box(names=('depth', 'normal')): give some of depth, normals (did you mean normals?)"
    )
    with pytest.raises(ValueError, match=r"^Box\(names=\(\)\): give some of depth$"):
        check_names("Box", (), ("depth",))


def test_sensors_by_name() -> None:
    depth = Sensor(task=Depth(name="depth"), std=(2.0,))
    found = select_sensors("Box", ("depth", "image"), ("depth",), [depth], ("edges",))
    assert [(each.name, each.optional) for each in found] == [("depth", True), ("image", False)]
    assert found[0].std == (2.0,)
    for inputs, optional, tasks, message in (
        (("dept",), (), (), r"Box\(inputs=\('dept',\)\): give some of image, depth .*mean depth"),
        (("image", "image"), (), (), "give each input once"),
        (("image", "depth"), ("image",), (), r"optional=\('image',\)\): give some of depth"),
        (("image",), ("depth",), (), r"optional=\('depth',\)\): the image is the only input, and"),
        (("depth",), ("depth",), (), "every sample needs an input; leave one of depth out"),
        (
            ("image", "depth"),
            (),
            ("depth",),
            "'depth' is a task, too, and the model would read its",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            select_sensors("Box", inputs, optional, [depth], tasks)
