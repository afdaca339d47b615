"""`Fusion`, the interface of what joins the maps of several sensors into one."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from jaxtyping import Bool, Float
from torch import Tensor, nn

IMAGE_SENSOR = "image"
"""The name of the RGB image among sensors."""
SensorMaps = Float[Tensor, "sensors batch width height breadth"]
"""A map of features for each sensor and image: the last one of the sensor's backbone."""
Present = Bool[Tensor, "sensors batch"]
"""Which images have which sensor, at least one each; maps of the others are arbitrary."""
FusedMaps = Float[Tensor, "batch width height breadth"]


@dataclass(frozen=True, kw_only=True)
class Fusion(ABC):
    """What is between the sensors of a dense data set and the tasks' heads.

    Each kind is a file of `coterie.models.multitask_vision.fusions`.
    """

    @property
    def shares_backbone(self) -> bool:
        """Whether one backbone reads the channels of all sensors, instead of one for each."""
        return False

    @abstractmethod
    def build(self, sensors: int, width: int) -> nn.Module:
        """Build the network for a number of maps, of `width` features, randomly initialised.

        There is one map for each sensor, or a single one if they share a backbone.
        """

    @abstractmethod
    def join(self, network: Any, maps: SensorMaps, present: Present) -> FusedMaps:
        """Compute one map for each image, from the sensors that the image has."""
