"""`EfficientNetEncoder`: one token per image, the mean of EfficientNet-Lite's last map."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from safetensors.torch import load_file
from torch import Tensor, nn

from coterie.models.omni.efficientnet import LITE0, BottleneckStage, EfficientNetLite
from coterie.models.omni.encoders.base import Count, Encoder

MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True)
class EfficientNetEncoder(Encoder):
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
    modality: ClassVar = "image"

    @property
    def width(self) -> int:
        return self.head

    def build_tower(self) -> nn.Module:
        return EfficientNetLite(self.stem, self.stages, self.head)

    def count_tokens(self, length: Count) -> Count:
        return 0 * length + 1

    def encode(
        self, tower: nn.Module, values: Float[Tensor, "rows ..."], lengths: Int[Tensor, " rows"]
    ) -> Float[Tensor, "rows seq width"]:
        mean, deviation = (torch.tensor(x).to(values)[:, None, None] for x in (MEAN, DEVIATION))
        lite = ((values * deviation + mean) * 255 - 127) / 128
        return tower(lite).mean((2, 3))[:, None]

    def load_weights(self, folder: Path) -> dict[str, Tensor]:
        state = load_file(folder / "model.safetensors")
        return {key: value for key, value in state.items() if not key.startswith("_fc.")}
