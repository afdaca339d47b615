"""Heads of dense tasks: from a backbone's patches to outputs per pixel or per image."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

WIDTH = 256
"""Hidden channels of the convolutional head, as in M3ViT."""
Patches = Float[Tensor, "batch width height breadth"]
Predictions = Float[Tensor, "batch channels ..."]


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
    """Build the head of a task {"name", "channels", "whole_picture"}."""
    if task["whole_picture"]:
        return PooledHead(width, task["channels"])
    kind = {"linear": LinearHead, "convolutions": ConvolutionHead}[head]
    return kind(width, task["channels"], patch)


class LinearHead(nn.Module):
    """A linear map from a patch's features to all its pixels (Mod-Squad's released code)."""

    def __init__(self, width: int, channels: int, patch: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, patch * patch * channels)
        self.pixels = nn.PixelShuffle(patch)

    def forward(self, x: Patches) -> Predictions:
        return self.pixels(self.linear(x.movedim(1, -1)).movedim(-1, 1))


class ConvolutionHead(nn.Module):
    """3 x 3 convolutions, each followed by 2x upsampling, then a 1 x 1 convolution.

    Source: the progressive upsampling of SETR (arXiv:2012.15840, section 3.2), which M3ViT takes
    for its decoder: four of 256 channels, in its code after a LayerNorm, which is omitted here.
    Departs: GroupNorm instead of BatchNorm, whose statistics would mix tasks and need large
    batches; and the last upsampling factor is what remains of the patch size, not always 2.
    """

    def __init__(self, width: int, channels: int, patch: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        upsampled = 1
        while upsampled * 2 <= patch:
            layers += [
                nn.Conv2d(width, WIDTH, 3, padding=1, bias=False),
                nn.GroupNorm(32, WIDTH),
                nn.ReLU(),
                nn.Upsample(scale_factor=2, mode="bilinear"),
            ]
            width, upsampled = WIDTH, upsampled * 2
        layers += [nn.Conv2d(width, channels, 1)]
        if upsampled < patch:
            layers += [nn.Upsample(scale_factor=patch / upsampled, mode="bilinear")]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Patches) -> Predictions:
        return self.layers(x)


class PooledHead(nn.Module):
    """Mean pooling, two LayerNorms and a linear map (Mod-Squad's released code).

    Its input is the output of the last block, before the backbone's final norm. Departs: the first
    norm, `fc_norm`, is per task; the released code shares one among all tasks.
    """

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.fc_norm = nn.LayerNorm(width, eps=1e-6)
        self.norm = nn.LayerNorm(width, eps=1e-5)
        self.linear = nn.Linear(width, channels)

    def forward(self, x: Patches) -> Float[Tensor, "batch channels"]:
        return self.linear(self.norm(self.fc_norm(x.flatten(2).mean(2))))
