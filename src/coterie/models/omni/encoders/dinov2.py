"""`DINOv2Encoder`: DINOv2 patch features of several layers, average-pooled to a grid."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from transformers import Dinov2Config, Dinov2Model

from coterie.models.omni.encoders.base import Count, Encoder, Features, Lengths, Rows


@dataclass(frozen=True, kw_only=True)
class DINOv2Encoder(Encoder):
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
    modality: ClassVar = "image"

    @property
    def width(self) -> int:
        return len(self.layers) * Dinov2Config(**self.config).hidden_size

    def build_tower(self) -> nn.Module:
        config = Dinov2Config(**{**self.config, "num_hidden_layers": max(self.layers)})
        tower: Any = Dinov2Model._from_config(config)
        tower.layernorm = nn.Identity()  # its output is not used
        return tower

    def count_tokens(self, length: Count) -> Count:
        return 0 * length + self.side**2

    def encode(self, tower: nn.Module, values: Rows, lengths: Lengths) -> Features:
        states = tower(pixel_values=values, output_hidden_states=True).hidden_states
        patches = torch.cat([states[layer][:, 1:] for layer in self.layers], dim=-1)
        rows = round(patches.shape[1] ** 0.5)
        grid = patches.transpose(1, 2).unflatten(2, (rows, rows))
        return nn.functional.adaptive_avg_pool2d(grid, self.side).flatten(2).transpose(1, 2)

    def load_weights(self, folder: Path) -> dict[str, Tensor]:
        # Not load_file: from_pretrained converts older key names.
        state = Dinov2Model.from_pretrained(folder).state_dict()
        return {key: state[key] for key in self.build_tower().state_dict()}
