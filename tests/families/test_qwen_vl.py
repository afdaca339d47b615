"""Names and rows of the Qwen vision-language models."""

import pytest

from coterie.families.qwen_vl import QwenVl
from tests.families.checks import Names, check_names, check_rows, golden
from tests.tiny import TINY

LAYER = "model.language_model.layers.{}."
VISION = "model.visual.blocks.{}."
MERGER = golden("model.visual.merger", "mlp.0", "mlp.2", count=1)
FINAL = golden("model.visual.merger", "linear_fc1", "linear_fc2", count=1)
DEEP = golden("model.visual.deepstack_merger_list.{}", "linear_fc1", "linear_fc2", count=1)
COMMON = {
    "text.attn": golden(LAYER + "self_attn", "q_proj", "k_proj", "v_proj", "o_proj"),
    "text.mlp": golden(LAYER + "mlp", "gate_proj", "up_proj", "down_proj"),
    "vision.attn": golden(VISION + "attn", "qkv", "proj"),
}
GOLDEN = {
    "qwen2_vl": {
        **COMMON,
        "vision.mlp": golden(VISION + "mlp", "fc1", "fc2"),
        "connector": MERGER,
    },
    "qwen2_5_vl": {
        **COMMON,
        "vision.mlp": golden(VISION + "mlp", "gate_proj", "up_proj", "down_proj"),
        "connector": MERGER,
    },
    "qwen3_vl": {
        **COMMON,
        "vision.mlp": golden(VISION + "mlp", "linear_fc1", "linear_fc2"),
        "connector": Names(DEEP.blocks + FINAL.blocks, DEEP.linears + FINAL.linears),
    },
}
# The first layer is dense, the second a mixture without linear layers.
GATED = ("gate_proj", "up_proj", "down_proj")
GOLDEN["qwen3_vl_moe"] = {
    **GOLDEN["qwen3_vl"],
    "text.mlp": Names(
        [LAYER.format(layer) + "mlp" for layer in (0, 1)],
        [LAYER.format(0) + f"mlp.{linear}" for linear in GATED],
    ),
}


@pytest.mark.parametrize("family", GOLDEN)
def test_names(family: str) -> None:
    check_names(TINY[family]().model, GOLDEN[family], {"lm_head"})


@pytest.mark.parametrize("family", GOLDEN)
def test_rows(family: str) -> None:
    # The first sample's picture has 2 x 4 patches, the second's have 4 x 4 and 2 x 2.
    names = ["model.visual.blocks.0.attn", *GOLDEN[family]["connector"].blocks]
    check_rows(TINY[family](), names, [slice(0, 8), slice(8, 28)])


def test_towers() -> None:
    host = QwenVl()
    assert host.get_tower("model.visual.patch_embed.proj") == "vision"
    assert host.get_tower("visual") == "vision"
    assert host.get_tower("model.visual.merger.ln_q") == "connector"
    assert host.get_tower("visual.deepstack_merger_list.0.norm") == "connector"
    assert host.get_tower("model.language_model.norm") == "text"


def test_placeholders() -> None:
    config = TINY["qwen2_vl"]().model.config
    expected = {"image": config.image_token_id, "video": config.video_token_id}
    assert QwenVl().get_placeholder_ids(config) == expected
