"""`EfficientNetEncoder`: one token per image, the mean of EfficientNet-Lite's last map.

The network has no classifier, and the parameter names of its PyTorch checkpoint.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers.utils.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

from coterie.encoding.connector import Features
from coterie.models.omni.encoders.image import ImageEncoder, Pixels

make_batch_norm = partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01)
"""Makes a batch norm with TensorFlow's epsilon."""


@dataclass(frozen=True, kw_only=True)
class BottleneckStage:
    """A stage of `count` inverted bottlenecks of one output width; the first has the stride.

    `kernel` is the size of the depthwise convolutions, `expansion` hidden by input channels.
    """

    count: int
    kernel: int
    stride: int
    expansion: int
    width: int


LITE0 = (
    BottleneckStage(count=1, kernel=3, stride=1, expansion=1, width=16),
    BottleneckStage(count=2, kernel=3, stride=2, expansion=6, width=24),
    BottleneckStage(count=2, kernel=5, stride=2, expansion=6, width=40),
    BottleneckStage(count=3, kernel=3, stride=2, expansion=6, width=80),
    BottleneckStage(count=3, kernel=5, stride=1, expansion=6, width=112),
    BottleneckStage(count=4, kernel=5, stride=2, expansion=6, width=192),
    BottleneckStage(count=1, kernel=3, stride=1, expansion=6, width=320),
)


@dataclass(frozen=True, kw_only=True)
class EfficientNetEncoder(ImageEncoder):
    """An EfficientNet-Lite encoder with image classification features.

    Images arrive normalised with ImageNet's mean and deviation, as the other towers expect them;
    here this is converted to (x - 127) / 128 of bytes, which these weights expect.

    Attributes:
        stem: output channels of the first convolution.
        stages: the bottleneck stages; Lite0 by default.
        head: channels of the last map.
    """

    name: str = "efficient"
    hidden: int = 384
    stem: int = 32
    stages: tuple[BottleneckStage, ...] = LITE0
    head: int = 1280

    @property
    def width(self) -> int:
        return self.head

    def build_tower(self) -> nn.Module:
        return EfficientNetLite(self.stem, self.stages, self.head)

    @property
    def tokens_per_image(self) -> int:
        return 1

    def encode_images(self, tower: nn.Module, pixels: Pixels) -> Features:
        statistics = (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD)
        mean, deviation = (torch.tensor(x).to(pixels)[:, None, None] for x in statistics)
        lite = ((pixels * deviation + mean) * 255 - 127) / 128
        return tower(lite).mean((2, 3))[:, None]

    def load_weights(self, folder: Path) -> dict[str, Tensor]:
        state = load_file(folder / "model.safetensors")
        return {key: value for key, value in state.items() if not key.startswith("_fc.")}


class EfficientNetLite(nn.Sequential):
    """EfficientNet-Lite (Tan and Le, arXiv:1905.11946): ReLU6, no squeeze-and-excitation.

    The last feature map has 1/32 of the image's height and breadth. Batch norms always use their
    running statistics, also in training mode: small batches would degrade them.
    """

    def __init__(self, stem: int, stages: tuple[BottleneckStage, ...], head: int):
        super().__init__()
        self._conv_stem = SameConv(3, stem, kernel=3, stride=2)
        self._bn0 = make_batch_norm(stem)
        self._act0 = nn.ReLU6()
        blocks, width = [], stem
        for stage in stages:
            for position in range(stage.count):
                stride = stage.stride if position == 0 else 1
                blocks.append(InvertedBottleneck(width, stage, stride))
                width = stage.width
        self._blocks = nn.Sequential(*blocks)
        self._conv_head = SameConv(width, head, kernel=1)
        self._bn1 = make_batch_norm(head)
        self._act1 = nn.ReLU6()

    def train(self, mode: bool = True) -> "EfficientNetLite":
        return super().train(False)


class InvertedBottleneck(nn.Sequential):
    """Expansion, depthwise convolution, projection; with a residual connection if shapes allow."""

    def __init__(self, width: int, stage: BottleneckStage, stride: int):
        super().__init__()
        inner = width * stage.expansion
        if stage.expansion != 1:
            self._expand_conv = SameConv(width, inner, kernel=1)
            self._bn0 = make_batch_norm(inner)
            self._act0 = nn.ReLU6()
        self._depthwise_conv = SameConv(inner, inner, stage.kernel, stride, groups=inner)
        self._bn1 = make_batch_norm(inner)
        self._act1 = nn.ReLU6()
        self._project_conv = SameConv(inner, stage.width, kernel=1)
        self._bn2 = make_batch_norm(stage.width)
        self.has_residual = stride == 1 and width == stage.width

    def forward(self, input: Float[Tensor, "rows width ..."]) -> Float[Tensor, "rows out ..."]:
        output = super().forward(input)
        return input + output if self.has_residual else output


class SameConv(nn.Conv2d):
    """A convolution with TensorFlow's "SAME" padding: the odd pixel is added right and below."""

    def __init__(self, width: int, out: int, kernel: int, stride: int = 1, groups: int = 1):
        super().__init__(width, out, kernel, stride, groups=groups, bias=False)

    def forward(self, input: Float[Tensor, "rows width ..."]) -> Float[Tensor, "rows out ..."]:
        kernel, stride = self.kernel_size[0], self.stride[0]
        pads = []
        for size in (input.shape[-1], input.shape[-2]):
            missing = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [missing // 2, missing - missing // 2]
        return super().forward(nn.functional.pad(input, pads) if any(pads) else input)
