"""`DINOv2Encoder`: DINOv2 patch features of several layers, average-pooled to a grid."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Dinov2Config, Dinov2Model

from coterie.encoding.connector import Features
from coterie.models.omni.encoders.image import ImageEncoder, Pixels, pool_grid


@dataclass(frozen=True, kw_only=True)
class DINOv2Encoder(ImageEncoder):
    """A DINOv2 encoder, truncated after the last layer that is used.

    Attributes:
        config: fields of `Dinov2Config`.
        layers: layers whose hidden states are concatenated; 0 is the input of the first.
        side: patches are average-pooled to side x side tokens, in row-major order.
    """

    name: str = "vision"
    config: Mapping[str, Any] = field(default_factory=dict)
    layers: tuple[int, ...] = (8, 11)
    side: int = 4

    @property
    def width(self) -> int:
        return len(self.layers) * Dinov2Config(**self.config).hidden_size

    def build_tower(self) -> nn.Module:
        config = Dinov2Config(**{**self.config, "num_hidden_layers": max(self.layers)})
        tower: Any = Dinov2Model._from_config(config)
        tower.layernorm = nn.Identity()  # its output is not used
        return tower

    @property
    def tokens_per_image(self) -> int:
        return self.side**2

    def encode_images(self, tower: nn.Module, pixels: Pixels) -> Features:
        states = tower(pixel_values=pixels, output_hidden_states=True).hidden_states
        patches = torch.cat([states[layer][:, 1:] for layer in self.layers], dim=-1)
        return pool_grid(patches, self.side)

    def load_weights(self, folder: Path) -> dict[str, Tensor]:
        # Not load_file: from_pretrained converts older key names.
        state = Dinov2Model.from_pretrained(folder).state_dict()
        return {key: state[key] for key in self.build_tower().state_dict()}
