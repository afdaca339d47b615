"""Depth images: one channel, in a column, a placeholder and an encoder of their own; one file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from coterie.encoding.connector import Count, Features
from coterie.encoding.encoder import Encoder, Lengths, Rows
from coterie.modalities.base import MediaModality
from coterie.modalities.image import open_image


class Depth(MediaModality):
    """Decoded to float32 [height, breadth]."""

    name: ClassVar = "depth"
    inputs: ClassVar = ("depth_values",)
    towers: ClassVar = ("depth",)
    suffixes: ClassVar = ()

    def decode(self, content: bytes) -> np.ndarray:
        picture = open_image(content)
        if len(picture.getbands()) != 1:
            raise ValueError(f"is a picture of mode {picture.mode}: save depth in one channel")
        return np.asarray(picture, dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class DepthEncoder(Encoder):
    """2 x 2 tokens of a depth image that is scaled to 8 x 8."""

    name: str = "depth"
    channels: int = 8
    modality: ClassVar = "depth"

    @property
    def width(self) -> int:
        return self.channels

    def build_tower(self) -> nn.Module:
        return nn.Conv2d(1, self.channels, kernel_size=4, stride=4)

    def prepare(
        self, items: Sequence[Any], processor: Any, options: Mapping[str, Any]
    ) -> tuple[Rows, Lengths]:
        images = [torch.as_tensor(item)[None, None] / 255 for item in items]
        scaled = [nn.functional.adaptive_avg_pool2d(image, 8) for image in images]
        return torch.cat(scaled), torch.zeros(len(items), dtype=torch.long)

    def describe_preparation(self, processor: Any) -> str:
        return "8 x 8"

    def count_tokens(self, length: Count) -> Count:
        return 0 * length + 4

    def encode(self, tower: nn.Module, values: Rows, lengths: Lengths) -> Features:
        return tower(values).flatten(2).transpose(1, 2)

    def load_weights(self, folder: Path) -> dict[str, Tensor]:
        return load_file(folder / "model.safetensors")
