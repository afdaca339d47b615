"""Qwen2-VL, Qwen2.5-VL and Qwen3-VL: a tower over packed patches that merges four into one."""

from collections.abc import Mapping
from typing import Any, ClassVar

from coterie.families.base import ModelFamily, Role
from coterie.families.llama import make_decoder_roles

LAYER = r"(model\.)?visual\.blocks\.\d+\."
CONNECTOR = r"(model\.)?visual\.(merger|deepstack_merger_list\.\d+)"


class QwenVl(ModelFamily):
    """The dense Qwen vision-language models; the connector is every patch merger.

    A row of the tower is a patch, a row after a merger is four; the packed patches of one image
    are contiguous (Qwen2.5-VL sorts them into windows within the image). Query, key and value of
    the tower are one linear layer.
    """

    model_types = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")
    roles: ClassVar = {
        **make_decoder_roles(r"(model\.)?language_model\."),
        "vision.attn": Role(block=LAYER + "attn", linears=LAYER + r"attn\.(qkv|proj)"),
        "vision.mlp": Role(
            block=LAYER + "mlp",
            linears=LAYER + r"mlp\.((linear_)?fc[12]|(gate|up|down)_proj)",
        ),
        "connector": Role(block=CONNECTOR, linears=CONNECTOR + r"\.(mlp\.[02]|linear_fc[12])"),
    }
    towers: ClassVar = {
        "connector": r"(model\.)?visual\.(merger|deepstack_merger_list)(\..*)?",
        "vision": r"(model\.)?visual(\..*)?",
    }

    def get_placeholder_ids(self, config: Any) -> Mapping[str, int]:
        return {"image": config.image_token_id, "video": config.video_token_id}
