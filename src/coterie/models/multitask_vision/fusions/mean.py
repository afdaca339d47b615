"""`MeanFusion`: the mean of the sensors' features."""

from dataclasses import dataclass
from typing import Any

from torch import nn

from coterie.encoding.fusion import FusedMaps, Fusion, Present, SensorMaps


@dataclass(frozen=True, kw_only=True)
class MeanFusion(Fusion):
    """The mean over the sensors that an image has; a plain control, without weights."""

    def build(self, sensors: int, width: int) -> nn.Module:
        return nn.Identity()

    def join(self, network: Any, maps: SensorMaps, present: Present) -> FusedMaps:
        has = present[..., None, None, None]
        return maps.where(has, 0).sum(0) / has.sum(0).to(maps.dtype)
