"""The omni model of `coterie.models.omni`: text, vision towers, an audio tower, connectors."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from coterie.families.base import ModelFamily, Role, count_tokens
from coterie.families.llama import make_decoder_roles

VISION = r"(model\.)?vision\w*_tower\.encoder\.layer\.\d+\."
AUDIO = r"(model\.)?audio\w*_tower\.layers\.\d+\."
CONNECTOR = r"(model\.)?connectors\.\w+"


class Omni(ModelFamily):
    """The omni model on any llama-like decoder. Experts do not fit the convolutional tower.

    Names of audio encoders start with audio, those of ViTs with vision. The connectors of audio
    count to the audio tower: their rows are recordings, each owned by the sample it is in.
    """

    model_types = ("coterie_omni",)
    roles: ClassVar = {
        **make_decoder_roles(r"(model\.)?language_model\."),
        "vision.attn": Role(
            block=VISION + "attention", linears=VISION + r"attention\.(q|k|v|o)_proj"
        ),
        "vision.mlp": Role(block=VISION + "mlp", linears=VISION + r"mlp\.fc[12]"),
        "audio.attn": Role(
            block=AUDIO + "self_attn", linears=AUDIO + r"self_attn\.(q|k|v|out)_proj"
        ),
        "audio.mlp": Role(block=AUDIO + "mlp", linears=AUDIO + r"mlp\.fc[12]"),
        "connector": Role(block=CONNECTOR, linears=CONNECTOR + r"\.linear_[12]"),
    }
    towers: ClassVar = {
        "audio": r"(model\.)?(audio\w*_tower|connectors\.audio\w*)(\..*)?",
        "connector": r"(model\.)?connectors(\..*)?",
        "vision": r"(model\.)?\w+_tower(\..*)?",
    }

    def get_placeholder_ids(self, config: Any) -> Mapping[str, int]:
        found = {"image": config.image_token_id, "audio": config.audio_token_id}
        return {modality: token for modality, token in found.items() if token is not None}

    def count_rows_per_sample(
        self, tower: str, inputs: Mapping[str, Any], config: Any
    ) -> Float[Tensor, " batch"]:
        """Count the images of each sample, up to a factor: all give the same number of tokens.

        A recording belongs to the sample that has its last token.
        """
        if tower != "audio":
            return super().count_rows_per_sample(tower, inputs, config)
        ends = count_tokens(inputs, config.audio_token_id).cumsum(0)
        encoders = [each for each in config.build_encoders() if each.modality == "audio"]
        lengths = inputs["feature_lengths"].to(ends.device)
        last = torch.stack([each.count_tokens(lengths) for each in encoders]).sum(0).cumsum(0)
        owner = torch.searchsorted(ends, last.to(ends))
        return (owner[:, None] == torch.arange(len(ends), device=ends.device)).sum(0).to(ends)
