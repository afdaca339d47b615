"""BLIP-2 and InstructBLIP: a ViT, a Q-Former, one linear map, and a language model of its own."""

from typing import ClassVar

from coterie.families.base import ModelFamily, Role, make_block_roles

# OPT, a llama-like decoder (Vicuna), or both halves of T5.
ATTENTION = (
    r"language_model\.(model\.(decoder\.)?layers\.\d+\.self_attn"
    r"|(en|de)coder\.block\.\d+\.layer\.\d\.(Self|EncDec)Attention)"
)
MLP = (
    r"language_model\.(model\.layers\.\d+\.mlp|(en|de)coder\.block\.\d+\.layer\.\d\.DenseReluDense)"
)
OPT_MLP = r"language_model\.model\.decoder\.layers\.\d+\.fc[12]"


QUERY_LAYER = r"qformer\.encoder\.layer\.\d+\."


def make_connector(parts: str) -> Role:
    """Return the role of some parts of a Q-Former's layers, and of the linear map after it."""
    linears = rf"({QUERY_LAYER}({parts})\.(.*\.)?(query|key|value|dense)|language_projection)"
    return Role(block=QUERY_LAYER + "intermediate_query", linears=linears)


class Blip2(ModelFamily):
    """BLIP-2. The connector is the Q-Former with the linear map after it.

    The MLPs of OPT are two linear layers of its layers, and no blocks. The processor puts one image
    into each sample.
    """

    model_types = ("blip-2",)
    roles: ClassVar = {
        "text.attn": Role(block=ATTENTION, linears=rf"{ATTENTION}\.((q|k|v|o|out)_proj|[qkvo])"),
        "text.mlp": Role(
            block=MLP, linears=rf"({MLP}\.((gate|up|down)_proj|w[io](_[01])?)|{OPT_MLP})"
        ),
        **make_block_roles(
            "vision", r"vision_model\.encoder\.layers\.\d+\.", "self_attn", "(qkv|projection)"
        ),
        "connector": make_connector("(cross)?attention|(intermediate|output)_query"),
    }
    towers: ClassVar = {
        "connector": r"(qformer|language_projection)(\..*)?",
        "vision": r"vision_model(\..*)?",
    }
    placeholders = ("image",)


class InstructBlip(ModelFamily):
    """InstructBLIP, whose Q-Former also reads the prompt, padded to that of the longest sample.

    What sees these tokens is no part of the connector, and a tower of its own: the mean of a
    sample's tokens would depend on the padding.
    """

    model_types = ("instructblip",)
    roles: ClassVar = {
        **Blip2.roles,
        "connector": make_connector("crossattention|(intermediate|output)_query"),
    }
    towers: ClassVar = {
        "qformer_prompt": QUERY_LAYER + r"(attention|intermediate|output)(\..*)?",
        **Blip2.towers,
    }
    placeholders = ("image",)
