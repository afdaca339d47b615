"""Qwen2-VL, Qwen2.5-VL and Qwen3-VL: a tower over packed patches that merges four into one."""

from typing import ClassVar

from coterie.families.base import ModelFamily, make_block_roles, make_role
from coterie.families.llama import make_decoder_roles, make_mixture_roles

LAYER = r"(model\.)?visual\.blocks\.\d+\."


class QwenVl(ModelFamily):
    """The dense Qwen vision-language models; the connector is every patch merger.

    A row of the tower is a patch, a row after a merger is four; the packed patches of one image
    are contiguous (Qwen2.5-VL sorts them into windows within the image). Query, key and value of
    the tower are one linear layer.
    """

    model_types = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")
    roles: ClassVar = {
        **make_decoder_roles(r"(model\.)?language_model\."),
        **make_block_roles(
            "vision", LAYER, "attn", "(qkv|proj)", r"((linear_)?fc[12]|(gate|up|down)_proj)"
        ),
        "connector": make_role(
            r"(model\.)?visual\.(merger|deepstack_merger_list\.\d+)", r"(mlp\.[02]|linear_fc[12])"
        ),
    }
    towers: ClassVar = {
        "connector": r"(model\.)?visual\.(merger|deepstack_merger_list)(\..*)?",
        "vision": r"(model\.)?visual(\..*)?",
    }
    placeholders = ("image", "video")


class QwenVlMoe(ModelFamily):
    """Qwen3-VL with a mixture decoder, whose dense layers are text.mlp."""

    model_types = ("qwen3_vl_moe",)
    roles: ClassVar = {**QwenVl.roles, **make_mixture_roles(r"(model\.)?language_model\.")}
    towers = QwenVl.towers
    placeholders = ("image", "video")
