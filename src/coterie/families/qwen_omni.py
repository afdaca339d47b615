"""Qwen2.5-Omni's thinker: the tower and decoder of Qwen2.5-VL, and Whisper's encoder, packed."""

from typing import Any, ClassVar

import torch

from coterie.families.base import (
    Inputs,
    ModelFamily,
    Shares,
    find_sample_of_images,
    make_block_roles,
    make_role,
    require_input,
)
from coterie.families.qwen_vl import LAYER, QwenVl

AUDIO = r"(model\.)?audio_tower"


class QwenOmni(ModelFamily):
    """The thinker of Qwen2.5-Omni, which reads text, images, videos and recordings.

    The MLPs of the audio tower are two linear layers of its layers, and no blocks: they have no
    role. The part after the tower's layers has half as many rows, so that it counts as a tower of
    its own.
    """

    model_types = ("qwen2_5_omni_thinker",)
    roles: ClassVar = {
        **QwenVl.roles,
        **make_block_roles("vision", LAYER, "attn", "(q|k|v|proj)", "(gate|up|down)_proj"),
        "audio.attn": make_role(AUDIO + r"\.layers\.\d+\.self_attn", r"(q|k|v|out)_proj"),
    }
    towers: ClassVar = {
        "audio_connector": AUDIO + r"\.(ln_post|proj)",
        "audio": AUDIO + r"(\..*)?",
        **QwenVl.towers,
    }
    placeholders = ("image", "video", "audio")

    def count_rows_per_sample(self, tower: str, inputs: Inputs, config: Any) -> Shares:
        """Count the rows of a recording: half of its frames, rounded up, as by a stride of 2.

        Two rows give one token, and an odd one gives none.
        """
        if tower not in ("audio", "audio_connector"):
            return super().count_rows_per_sample(tower, inputs, config)
        ids = require_input(inputs, "input_ids")
        tokens = (ids == config.audio_token_id).sum(-1).float()
        if tower == "audio_connector":
            return tokens
        rows = (require_input(inputs, "feature_attention_mask").sum(-1) + 1) // 2
        owners = find_sample_of_images(tokens, (rows // 2).float())
        is_own = owners[:, None] == torch.arange(len(ids), device=owners.device)
        return (is_own * rows[:, None]).sum(0).float()
