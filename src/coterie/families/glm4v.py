"""GLM-4.1V, GLM-4.5V and GLM-4.6V: a tower over packed patches that merges four into one."""

from typing import ClassVar

from coterie.families.base import ModelFamily, make_block_roles, make_role
from coterie.families.llama import make_decoder_roles, make_mixture_roles
from coterie.families.qwen_vl import LAYER, QwenVl


class Glm4v(ModelFamily):
    """The dense GLM vision-language models. Video frames have the image token.

    Query, key and value of the tower are one linear layer.
    """

    model_types = ("glm46v", "glm4v")
    roles: ClassVar = {
        **make_decoder_roles(r"(model\.)?language_model\."),
        **make_block_roles("vision", LAYER, "attn", "(qkv|proj)", "(gate|up|down)_proj"),
        "connector": make_role(r"(model\.)?visual\.merger", "(proj|(gate|up|down)_proj)"),
    }
    towers: ClassVar = {
        **QwenVl.towers,
        "connector": r"(model\.)?visual\.(downsample|merger)(\..*)?",
    }
    placeholders = ("image",)


class Glm4vMoe(ModelFamily):
    """GLM-4.5V, whose decoder is a mixture: its dense layers and shared experts are text.mlp."""

    model_types = ("glm4v_moe",)
    roles: ClassVar = {
        **Glm4v.roles,
        **make_mixture_roles(r"(model\.)?language_model\."),
    }
    towers = Glm4v.towers
    placeholders = ("image",)
