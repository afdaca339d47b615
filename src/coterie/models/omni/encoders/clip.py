"""`CLIPEncoder`: CLIP patch features of one layer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModel

from coterie.encoding.connector import Features
from coterie.models.omni.encoders.image import ImageEncoder, Pixels, pool_grid


@dataclass(frozen=True, kw_only=True)
class CLIPEncoder(ImageEncoder):
    """The vision tower of CLIP (Radford et al., 2103.00020), truncated after the layer used.

    Attributes:
        config: fields of `CLIPVisionConfig`.
        layer: the layer whose output is used, counted from the end: -2, as in LLaVA and Uni-MoE.
        side: patches are average-pooled to side x side tokens; None for all patches.
    """

    name: str = "vision"
    config: Mapping[str, Any] = field(default_factory=dict)
    layer: int = -2
    side: int | None = None

    @property
    def width(self) -> int:
        return CLIPVisionConfig(**self.config).hidden_size

    @property
    def tokens_per_image(self) -> int:
        config: Any = CLIPVisionConfig(**self.config)  # typed for images that are no squares, too
        return (self.side or config.image_size // config.patch_size) ** 2

    def build_tower(self) -> nn.Module:
        config = CLIPVisionConfig(**self.config)
        config.num_hidden_layers += 1 + self.layer
        tower: Any = CLIPVisionModel._from_config(config)
        tower.post_layernorm = nn.Identity()  # its output is not used
        return tower

    def encode_images(self, tower: nn.Module, pixels: Pixels) -> Features:
        patches = tower(pixel_values=pixels).last_hidden_state[:, 1:]
        return patches if self.side is None else pool_grid(patches, self.side)

    def load_weights(self, folder: Path) -> dict[str, Tensor]:
        state = CLIPVisionModel.from_pretrained(folder).state_dict()
        return {key: state[key] for key in self.build_tower().state_dict()}
