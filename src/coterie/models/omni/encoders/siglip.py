"""`SiglipEncoder`: SigLIP patch features of one layer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from transformers import SiglipVisionConfig, SiglipVisionModel

from coterie.encoding.connector import Features
from coterie.models.omni.encoders.image import ImageEncoder, Pixels, pool_grid


@dataclass(frozen=True, kw_only=True)
class SiglipEncoder(ImageEncoder):
    """The vision tower of SigLIP (Zhai et al., 2303.15343), without its pooling head.

    Attributes:
        config: fields of `SiglipVisionConfig`.
        layer: the layer whose output is used, before the last norm, counted from the end.
        side: patches are average-pooled to side x side tokens; None for all patches.
    """

    name: str = "vision"
    config: Mapping[str, Any] = field(default_factory=dict)
    layer: int = -1
    side: int | None = None

    @property
    def width(self) -> int:
        return SiglipVisionConfig(**self.config).hidden_size

    @property
    def tokens_per_image(self) -> int:
        config: Any = SiglipVisionConfig(**self.config)  # typed for images that are no squares, too
        return (self.side or config.image_size // config.patch_size) ** 2

    def build_tower(self) -> nn.Module:
        config = SiglipVisionConfig(**{**self.config, "vision_use_head": False})
        config.num_hidden_layers += 1 + self.layer
        tower: Any = SiglipVisionModel._from_config(config)
        tower.post_layernorm = nn.Identity()  # its output is not used
        return tower

    def encode_images(self, tower: nn.Module, pixels: Pixels) -> Features:
        patches = tower(pixel_values=pixels).last_hidden_state
        return patches if self.side is None else pool_grid(patches, self.side)

    def load_weights(self, folder: Path) -> dict[str, Tensor]:
        state = SiglipVisionModel.from_pretrained(folder).state_dict()
        return {key: state[key] for key in self.build_tower().state_dict()}
