"""Qwen3-Omni's thinker: the tower of Qwen3-VL, a mixture decoder, and packed frames of sounds."""

from typing import Any, ClassVar

import torch
from jaxtyping import Int
from torch import Tensor

from coterie.families.base import (
    Inputs,
    ModelFamily,
    Shares,
    find_sample_of_images,
    make_role,
    require_input,
)
from coterie.families.qwen_omni import AUDIO
from coterie.families.qwen_vl import QwenVlMoe

NUM_CONVOLUTIONS = 3


class Qwen3Omni(ModelFamily):
    """The thinker of Qwen3-Omni, which reads text, images, videos and recordings.

    A row of the audio tower is a token. The linear layer before its layers has a row for each
    window of frames, so that it counts as a tower of its own, the connector of sounds. As in
    Qwen2.5-Omni, the MLPs of the audio tower have no role.
    """

    model_types = ("qwen3_omni_moe_thinker",)
    roles: ClassVar = {
        **QwenVlMoe.roles,
        "connector": make_role(r"(model\.)?visual\.(merger|merger_list\.\d+)", r"mlp\.[02]"),
        "audio.attn": make_role(AUDIO + r"\.layers\.\d+\.self_attn", r"(q|k|v|out)_proj"),
    }
    towers: ClassVar = {
        "audio_connector": AUDIO + r"\.conv_out",
        "audio": AUDIO + r"(\..*)?",
        "connector": r"(model\.)?visual\.(merger|merger_list)(\..*)?",
        "vision": r"(model\.)?visual(\..*)?",
    }
    placeholders = ("image", "video", "audio")

    def count_rows_per_sample(self, tower: str, inputs: Inputs, config: Any) -> Shares:
        """Count the placeholder tokens of each sample; before the audio layers, its windows."""
        if tower not in ("audio", "audio_connector"):
            return super().count_rows_per_sample(tower, inputs, config)
        ids = require_input(inputs, "input_ids")
        tokens = (ids == config.audio_token_id).sum(-1).float()
        if tower == "audio":
            return tokens
        window = 2 * config.audio_config.n_window
        frames = require_input(inputs, "feature_attention_mask").sum(-1)
        whole, rest = frames // window, frames % window
        sizes = whole * _convolve(torch.full_like(rest, window)) + _convolve(rest)
        owners = find_sample_of_images(tokens, sizes.float())
        is_own = owners[:, None] == torch.arange(len(ids), device=owners.device)
        return (is_own * (whole + (rest > 0))[:, None]).sum(0).float()


def _convolve(frames: Int[Tensor, " recordings"]) -> Int[Tensor, " recordings"]:
    """Return the number of rows after the convolutions, each with a stride of 2, rounded up."""
    for _ in range(NUM_CONVOLUTIONS):
        frames = (frames + 1) // 2
    return frames
