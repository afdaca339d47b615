"""Llama 3.2 Vision (Mllama): a tiled tower that the decoder looks at by cross attention."""

from typing import Any, ClassVar

import torch

from coterie.families.base import Inputs, ModelFamily, Shares, make_block_roles, require_input
from coterie.families.llama import make_decoder_roles

VISION = r"(model\.)?vision_model\.(global_)?transformer\.layers\.\d+\."


class Mllama(ModelFamily):
    """Llama 3.2 Vision. Its cross attention, which sees images and text, has no role.

    Neither has the connector, which is one linear layer and no block.
    """

    model_types = ("mllama",)
    roles: ClassVar = {
        **make_decoder_roles(r"(model\.)?language_model\.(model\.)?"),
        **make_block_roles("vision", VISION, "self_attn", r"(q|k|v|o)_proj"),
    }
    towers: ClassVar = {
        "vision": r"(model\.)?vision_model(\..*)?",
        "connector": r"(model\.)?multi_modal_projector",
    }
    placeholders = ("image",)

    def count_rows_per_sample(self, tower: str, inputs: Inputs, config: Any) -> Shares:
        """Return equal shares: every sample is padded to the images of the one with most."""
        pixel_values = require_input(inputs, "pixel_values")
        return torch.ones(len(pixel_values), device=pixel_values.device)
