"""Gemma 4: a tower with one row an image, padded, and embedders into the Gemma decoder."""

from typing import Any, ClassVar

import torch

from coterie.families.base import (
    Inputs,
    ModelFamily,
    Shares,
    find_sample_of_images,
    make_block_roles,
    make_role,
)
from coterie.families.llama import make_decoder_roles

VISION = r"(model\.)?vision_tower\.encoder\.layers\.\d+\."


class Gemma4(ModelFamily):
    """Gemma 4 with images; text alone is `gemma4_text`.

    The connector's rows are tokens, those of the tower images, which have different numbers of
    tokens. The audio tower has no role.
    """

    model_types = ("gemma4",)
    roles: ClassVar = {
        **make_decoder_roles(r"(model\.)?language_model\."),
        **make_block_roles(
            "vision", VISION, "self_attn", r"(q|k|v|o)_proj\.linear", r"(gate|up|down)_proj\.linear"
        ),
        "connector": make_role(r"(model\.)?embed_vision", "embedding_projection"),
    }
    towers: ClassVar = {
        "connector": r"(model\.)?embed_vision(\..*)?",
        "vision": r"(model\.)?vision_tower(\..*)?",
        "audio": r"(model\.)?(audio_tower|embed_audio)(\..*)?",
    }
    placeholders = ("image", "video", "audio")

    def count_rows_per_sample(self, tower: str, inputs: Inputs, config: Any) -> Shares:
        """Count the images of each sample; for the connector, tokens."""
        tokens = super().count_rows_per_sample(tower, inputs, config)
        places = inputs.get("image_position_ids")
        if tower != "vision" or places is None or inputs.get("pixel_values") is None:
            return tokens
        owners = find_sample_of_images(tokens, (places != -1).all(-1).sum(-1).float())
        return torch.bincount(owners, minlength=len(tokens)).float()
