"""`ChannelConcatenation`: all sensors in one backbone, as channels of its input."""

from dataclasses import dataclass
from typing import Any

from torch import nn

from coterie.encoding.fusion import FusedMaps, Fusion, Present, SensorMaps


@dataclass(frozen=True, kw_only=True)
class ChannelConcatenation(Fusion):
    """Early fusion: the backbone's patch embedding reads the channels of all sensors.

    A plain control for fusion of features: no weights but those of the patch embedding. Channels of
    a missing sensor are 0, the sensor's mean.
    """

    @property
    def shares_backbone(self) -> bool:
        return True

    def build(self, sensors: int, width: int) -> nn.Module:
        return nn.Identity()

    def join(self, network: Any, maps: SensorMaps, present: Present) -> FusedMaps:
        [joined] = maps
        return joined
