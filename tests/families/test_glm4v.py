"""Names and rows of the GLM vision-language models."""

import pytest

from coterie.families.glm4v import Glm4v
from tests.families.checks import Names, check_names, check_rows, golden
from tests.tiny import TINY

LAYER = "model.language_model.layers.{}."
VISION = "model.visual.blocks.{}."
GATED = ("gate_proj", "up_proj", "down_proj")
TOWER = {
    "text.attn": golden(LAYER + "self_attn", "q_proj", "k_proj", "v_proj", "o_proj"),
    "vision.attn": golden(VISION + "attn", "qkv", "proj"),
    "vision.mlp": golden(VISION + "mlp", *GATED),
    "connector": golden("model.visual.merger", "proj", *GATED, count=1),
}
DENSE = golden(LAYER + "mlp", *GATED, count=1)
SHARED = golden("model.language_model.layers.1.mlp.shared_experts", *GATED, count=1)
MIXED = "model.language_model.layers.1.mlp"
GOLDEN = {
    "glm4v": {**TOWER, "text.mlp": golden(LAYER + "mlp", "gate_up_proj", "down_proj")},
    "glm4v_moe": {
        **TOWER,
        "text.mlp": Names([*DENSE.blocks, MIXED, *SHARED.blocks], DENSE.linears + SHARED.linears),
    },
}


@pytest.mark.parametrize("family", GOLDEN)
def test_names(family: str) -> None:
    check_names(TINY[family]().model, GOLDEN[family], {"lm_head"})


@pytest.mark.parametrize("family", GOLDEN)
def test_rows(family: str) -> None:
    # The first sample's picture has 2 x 4 patches, the second's have 4 x 4 and 2 x 2.
    names = ["model.visual.blocks.0.attn", "model.visual.merger"]
    check_rows(TINY[family](), names, [slice(0, 8), slice(8, 28)])


def test_towers() -> None:
    host = Glm4v()
    assert host.get_tower("model.visual.downsample") == "connector"
    assert host.get_tower("model.visual.post_layernorm") == "vision"
    assert host.get_tower("model.language_model.norm") == "text"
