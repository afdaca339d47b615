"""The omni model of `coterie.models.omni`: text, vision towers, an audio tower, connectors."""

from typing import Any, ClassVar

import torch

from coterie.families.base import (
    Inputs,
    ModelFamily,
    Shares,
    make_block_roles,
    make_role,
    require_input,
)
from coterie.families.llama import make_decoder_roles

VISION = r"(model\.)?vision\w*_tower\.encoder\.layer\.\d+\."
AUDIO = r"(model\.)?audio\w*_tower\.layers\.\d+\."


class Omni(ModelFamily):
    """The omni model on any llama-like decoder. Experts do not fit the convolutional tower.

    Names of audio encoders start with audio, those of ViTs with vision. The connectors of audio
    count to the audio tower: their rows are recordings, each owned by the sample it is in.
    """

    model_types = ("coterie_omni",)
    roles: ClassVar = {
        **make_decoder_roles(r"(model\.)?language_model\."),
        **make_block_roles("vision", VISION, "attention", r"(q|k|v|o)_proj"),
        **make_block_roles("audio", AUDIO, "self_attn", r"(q|k|v|out)_proj"),
        "connector": make_role(r"(model\.)?connectors\.\w+", r"linear_[12]"),
    }
    towers: ClassVar = {
        "audio": r"(model\.)?(audio\w*_tower|connectors\.audio\w*)(\..*)?",
        "connector": r"(model\.)?connectors(\..*)?",
        "vision": r"(model\.)?\w+_tower(\..*)?",
    }
    placeholders = ("image", "audio")

    def count_rows_per_sample(self, tower: str, inputs: Inputs, config: Any) -> Shares:
        """Count the images of each sample, up to a factor: all give the same number of tokens.

        A recording belongs to the sample that has its last token.
        """
        if tower != "audio":
            return super().count_rows_per_sample(tower, inputs, config)
        ids = require_input(inputs, "input_ids")
        owners = config.find_media_owners("audio", ids, inputs["feature_lengths"])
        return (owners[:, None] == torch.arange(len(ids), device=ids.device)).sum(0).float()
