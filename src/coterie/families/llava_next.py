"""LLaVA-NeXT (1.6): LLaVA with one row of its tower for each tile of an image."""

from typing import Any

import torch

from coterie.families.base import (
    Inputs,
    ModelFamily,
    Shares,
    find_sample_of_images,
    require_input,
)
from coterie.families.llava import Llava


class LlavaNext(ModelFamily):
    """LLaVA-NeXT: CLIP tower, two-layer connector, Vicuna, Mistral or Llama decoder."""

    model_types = ("llava_next",)
    roles = Llava.roles
    towers = Llava.towers
    placeholders = ("image",)

    def count_rows_per_sample(self, tower: str, inputs: Inputs, config: Any) -> Shares:
        """Count the tiles of each sample's images, all of which are tiled.

        Tokens give the samples' images, but not the tiles, because padding is removed after the
        tower. As in the model itself, the sizes are read on the CPU.
        """
        from transformers.models.llava_next.modeling_llava_next import (
            get_anyres_image_grid_shape,
            unpad_image,
        )

        vision, pinpoints = config.vision_config, config.image_grid_pinpoints
        side = vision.image_size // vision.patch_size
        tiles, tokens = [], []
        for size in require_input(inputs, "image_sizes").tolist():
            rows, columns = get_anyres_image_grid_shape(size, pinpoints, vision.image_size)
            kept = unpad_image(torch.empty(0, rows * side, columns * side), size).shape
            tiles.append(rows * columns + 1.0)  # and the downscaled image
            tokens.append(side * side + kept[1] * (kept[2] + 1.0))  # a newline token a row
        given = super().count_rows_per_sample(tower, inputs, config)
        owners = find_sample_of_images(given, torch.tensor(tokens, device=given.device))
        return torch.zeros_like(given).index_add(0, owners, torch.tensor(tiles).to(given))
