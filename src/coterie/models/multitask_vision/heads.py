"""Heads: from a backbone's patches to what a task wants, for each pixel or for the picture."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

WIDTH = 256
"""Channels inside the head of convolutions, as in M3ViT."""


@runtime_checkable
class HeadTask(Protocol):
    """The properties of a dense task that decide its head."""

    @property
    def name(self) -> str: ...

    @property
    def channels(self) -> int: ...

    @property
    def is_image_level(self) -> bool: ...


def build(task: Mapping[str, Any], width: int, patch: int, head: str) -> nn.Module:
    """The head of a task: {"name", "channels", "whole_picture"}."""
    if task["whole_picture"]:
        return PooledHead(width, task["channels"])
    kind = {"linear": LinearHead, "convolutions": ConvolutionHead}[head]
    return kind(width, task["channels"], patch)


class LinearHead(nn.Module):
    """One linear map from a patch's features to all its pixels (Mod-Squad's released code)."""

    def __init__(self, width: int, channels: int, patch: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, patch * patch * channels)
        self.pixels = nn.PixelShuffle(patch)

    def forward(
        self, x: Float[Tensor, "batch width height breadth"]
    ) -> Float[Tensor, "batch channels ..."]:
        return self.pixels(self.linear(x.movedim(1, -1)).movedim(-1, 1))


class ConvolutionHead(nn.Module):
    """3 x 3 convolutions with a doubling of the sides after each, then one to the channels.

    Source: the progressive upsampling of SETR (arXiv:2012.15840, section 3.2), which M3ViT takes
    for its decoder: four of 256 channels, in its code after a LayerNorm, which is left out here.
    Departs: GroupNorm instead of BatchNorm, whose statistics would mix tasks and need large
    batches; and the last enlargement is whatever is left to the patch, not always 2.
    """

    def __init__(self, width: int, channels: int, patch: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        grown = 1
        while grown * 2 <= patch:
            layers += [
                nn.Conv2d(width, WIDTH, 3, padding=1, bias=False),
                nn.GroupNorm(32, WIDTH),
                nn.ReLU(),
                nn.Upsample(scale_factor=2, mode="bilinear"),
            ]
            width, grown = WIDTH, grown * 2
        layers += [nn.Conv2d(width, channels, 1)]
        if grown < patch:
            layers += [nn.Upsample(scale_factor=patch / grown, mode="bilinear")]
        self.layers = nn.Sequential(*layers)

    def forward(
        self, x: Float[Tensor, "batch width height breadth"]
    ) -> Float[Tensor, "batch channels ..."]:
        return self.layers(x)


class PooledHead(nn.Module):
    """The mean of all patches, normalised twice, through a linear map (Mod-Squad's released code).

    It reads what the last block writes, before the backbone's last norm. Departs: the first norm,
    `fc_norm`, is each task's own; the released code has one for all tasks.
    """

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.fc_norm = nn.LayerNorm(width, eps=1e-6)
        self.norm = nn.LayerNorm(width, eps=1e-5)
        self.linear = nn.Linear(width, channels)

    def forward(
        self, x: Float[Tensor, "batch width height breadth"]
    ) -> Float[Tensor, "batch channels"]:
        return self.linear(self.norm(self.fc_norm(x.flatten(2).mean(2))))
