"""LLaVA-OneVision: LLaVA with one row of its tower for each tile of an image."""

from typing import Any

import torch

from coterie.families.base import Inputs, ModelFamily, Shares, require_input
from coterie.families.llava import Llava


class LlavaOnevision(ModelFamily):
    """LLaVA-OneVision: SigLIP tower, two-layer connector, usually a Qwen2 decoder."""

    model_types = ("llava_onevision",)
    roles = Llava.roles
    towers = Llava.towers
    placeholders = ("image", "video")

    def count_rows_per_sample(self, tower: str, inputs: Inputs, config: Any) -> Shares:
        """Count the tiles of each sample's images; of videos (a row a frame) placeholder tokens.

        Tokens do not give the number of tiles, because padding is removed after the tower. As in
        the model itself, images are tiled unless they share a sample with others, the sizes are
        read on the CPU, and without `batch_num_images` every image is tiled.

        Raises ValueError as `ModelFamily` does, and if the images cannot be assigned to samples.
        """
        if inputs.get("pixel_values") is None or inputs.get("pixel_values_videos") is not None:
            return super().count_rows_per_sample(tower, inputs, config)
        from transformers.models.llava_onevision.modeling_llava_onevision import (
            image_size_to_num_patches,
        )

        images = _count_images_per_sample(inputs, config.image_token_id)
        given = inputs.get("batch_num_images") is not None
        tiled = [not given or count == 1 for count in images for _ in range(count)]
        pinpoints, side = config.image_grid_pinpoints, config.vision_config.image_size
        # The rows of an image are its tiles and the downscaled image, or that alone.
        tiles = [
            image_size_to_num_patches(size, pinpoints, side) if tile else 1
            for size, tile in zip(inputs["image_sizes"].tolist(), tiled, strict=True)
        ]
        by_sample = torch.tensor(tiles, dtype=torch.float32).split(images)
        return torch.stack([part.sum() for part in by_sample]).to(inputs["input_ids"].device)


def _count_images_per_sample(inputs: Inputs, image_token: int) -> list[int]:
    """Count images by `batch_num_images`, else by runs of image tokens."""
    is_image = require_input(inputs, "input_ids") == image_token
    starts = is_image.clone()
    starts[:, 1:] &= ~is_image[:, :-1]
    images: list[int] = starts.sum(-1).tolist()
    if inputs.get("batch_num_images") is not None:
        # The processor omits samples without images from batch_num_images.
        counts = [int(count) for count in inputs["batch_num_images"] if count > 0]
        matches = len(counts) == sum(runs > 0 for runs in images)
        rest = iter(counts)
        images = [next(rest) if matches and runs else 0 for runs in images]
    num_images = len(require_input(inputs, "image_sizes"))
    if sum(images) != num_images:
        raise ValueError(
            f"Found {images} images in the samples, but image_sizes has {num_images}; pass "
            f"batch_num_images, the number of images of each sample, as the processor returns it."
        )
    return images
