"""`Sensor`: an input of dense tasks, such as the RGB image, depth or infrared."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from coterie.annotations import format_suggestions
from coterie.encoding.fusion import IMAGE_SENSOR
from coterie.tasks.dense.kinds.regression import Regression
from coterie.tasks.dense.task import DenseTask


@dataclass(frozen=True, kw_only=True)
class Sensor:
    """An input of dense tasks: a map of numbers at each pixel, in the format of a task's labels.

    Resizing, cropping, flips and rotations change its maps as they change labels of `task`: a map
    of depth is divided by the zoom, one of normals is turned.

    Attributes:
        task: its name, channels and format; NaN is unknown. Its loss and metric are not used.
        mean, std: for normalisation, of each channel or of all; `std` is above 0. Unknown pixels
            of a map get the mean. Those of the image are its backbone's instead.
        optional: whether a sample may lack it.
    """

    task: DenseTask
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    optional: bool = False

    def __post_init__(self) -> None:
        if not self.name.isidentifier():  # it names a backbone of the model
            raise ValueError(
                f"the sensor {self.name!r}: name it with letters, digits and underscores, as "
                "'near_infrared'"
            )
        if self.task.is_image_level or self.task.label_dtype != torch.float32:
            raise ValueError(
                f"the sensor {self.name!r} is a {type(self.task).__name__}: give a task with "
                "numbers at each pixel, such as Depth or Regression"
            )
        for field, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, self.channels) or not all(map(math.isfinite, values)):
                raise ValueError(
                    f"the sensor {self.name!r} has {field}={values}: give a finite number for "
                    f"each of its {self.channels} channels, or one for all"
                )
        if min(self.std) <= 0:
            raise ValueError(f"the sensor {self.name!r} has std={self.std}: give numbers above 0")

    @property
    def name(self) -> str:
        """Its name, that of the task."""
        return self.task.name

    @property
    def channels(self) -> int:
        """Numbers at each pixel."""
        return self.task.channels

    @property
    def is_image(self) -> bool:
        """Whether it is the RGB image of each sample."""
        return self.name == IMAGE_SENSOR

    def describe(self) -> dict[str, Any]:
        """Return its entry of `MultiTaskVisionConfig.sensors`."""
        return {"name": self.name, "channels": self.channels}

    def normalize(self, maps: Tensor) -> Tensor:
        """Normalize maps [..., channels, height, breadth]; NaN stays NaN."""
        mean, std = (torch.tensor(each)[:, None, None] for each in (self.mean, self.std))
        return (maps - mean) / std


IMAGE = Sensor(task=Regression(name=IMAGE_SENSOR, num_channels=3))
"""The RGB image of each sample."""


def check_withheld(names: Sequence[str], sensors: Iterable[Sensor], name: str) -> None:
    """Raise ValueError unless all `names` are of sensors, and one remains."""
    known = [sensor.name for sensor in sensors]
    wrong = [each for each in names if each not in known]
    if wrong:
        near = format_suggestions(str(wrong[0]), known)
        raise ValueError(f"{name}={tuple(names)}: give some of the inputs {', '.join(known)}{near}")
    if set(names) == set(known):
        raise ValueError(
            f"{name}={tuple(names)} leaves no input: the data set has {', '.join(known)}, and one "
            "must remain"
        )
