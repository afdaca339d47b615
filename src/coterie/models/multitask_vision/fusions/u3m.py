"""`U3MFusion`: the multiscale fusion block of U3M, which favours no sensor."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import gelu, interpolate

from coterie.encoding.fusion import FusedMaps, Fusion, Present, SensorMaps

POOLED_SIDES = (1, 2, 3, 6)
"""Rows and columns of the pooled maps."""
KERNELS = (3, 5, 7)
"""Sides of the depthwise convolutions, in cells."""
Map = Float[Tensor, "batch width height breadth"]


@dataclass(frozen=True, kw_only=True)
class U3MFusion(Fusion):
    """The fusion block of U3M (Li et al., arXiv:2405.15365), as in its released code.

    Every sensor has a backbone of its own, and features meet here only. With PW a 1 x 1 convolution
    and a norm, DW a depthwise convolution, and `pool` to s x s cells:

        z = Linear(concatenated features)
        p = z + PW(sum over s of 1, 2, 3, 6: resize(DW1(pool(PW(z)))))
        c = PW(v + DW3(v) + DW5(v) + DW7(v)), where v = PW(z)
        f = u * sigmoid(Linear(relu(Linear(mean over cells of u)))), where u = gelu(Linear(p + c))

    Departs: one block, on the backbone's last map, where U3M has one after each of the four stages
    of a SegFormer, whose maps its head joins. The norms are GroupNorms of one group, not
    BatchNorms, whose statistics would mix tasks and depend on the number of processes.

    The paper has no missing sensors. Here their features are 0, and the others are multiplied by
    the number of sensors over that of those present, as dropout does.

    Attributes:
        reduction: the gate's hidden layer has the features divided by this, at least 1 and at most
            the width.
    """

    reduction: int = 16

    def __post_init__(self) -> None:
        if self.reduction < 1:
            raise ValueError(f"U3MFusion(reduction={self.reduction}): give at least 1")

    def build(self, sensors: int, width: int) -> nn.Module:
        if width < self.reduction:
            raise ValueError(
                f"U3MFusion(reduction={self.reduction}) leaves no features of a backbone of width "
                f"{width}: give at most {width}"
            )
        return FusionBlock(sensors, width, self.reduction)

    def join(self, network: Any, maps: SensorMaps, present: Present) -> FusedMaps:
        share = present.sum(0).to(maps.dtype) / len(maps)
        known = maps.where(present[..., None, None, None], 0) / share[:, None, None, None]
        return network(known.transpose(0, 1).flatten(1, 2))


class FusionBlock(nn.Module):
    """The network, from the concatenated features of all sensors."""

    def __init__(self, sensors: int, width: int, reduction: int) -> None:
        super().__init__()
        self.linear_in = nn.Conv2d(sensors * width, width, 1)
        self.pool_in, self.pool_out = PointwiseConvolution(width), PointwiseConvolution(width)
        self.pooled = nn.ModuleList(nn.Conv2d(width, width, 1, groups=width) for _ in POOLED_SIDES)
        self.conv_in, self.conv_out = PointwiseConvolution(width), PointwiseConvolution(width)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(width, width, side, padding="same", groups=width) for side in KERNELS
        )
        self.linear_out = nn.Conv2d(width, width, 1)
        self.squeeze = nn.Linear(width, width // reduction, bias=False)
        self.excite = nn.Linear(width // reduction, width, bias=False)
        self._initialize()

    def _initialize(self) -> None:
        """Initialize as the released code does: all but `linear_out` after He et al."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module is not self.linear_out:
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        for gate in (self.squeeze, self.excite):
            nn.init.kaiming_normal_(gate.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, features: Float[Tensor, "batch channels height breadth"]) -> Map:
        joined = self.linear_in(features)
        mixed = gelu(self.linear_out(joined + self._pool(joined) + self._convolve(joined)))
        weights = self.excite(self.squeeze(mixed.mean((2, 3))).relu()).sigmoid()
        return mixed * weights[..., None, None]

    def _pool(self, joined: Map) -> Map:
        features, size = self.pool_in(joined), joined.shape[-2:]
        found = torch.zeros_like(features)
        for side, weigh in zip(POOLED_SIDES, self.pooled, strict=True):
            cells = weigh(nn.functional.adaptive_avg_pool2d(features, side))
            found = found + interpolate(cells, size=size, mode="bilinear")
        return self.pool_out(found)

    def _convolve(self, joined: Map) -> Map:
        features = self.conv_in(joined)
        found = features
        for convolve in self.convolutions:
            found = found + convolve(features)
        return self.conv_out(found)


class PointwiseConvolution(nn.Sequential):
    """A 1 x 1 convolution and a norm."""

    def __init__(self, width: int) -> None:
        super().__init__(nn.Conv2d(width, width, 1), nn.GroupNorm(1, width))
