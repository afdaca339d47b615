"""Names and rows of Idefics3 and SmolVLM."""

import pytest

from coterie.families.idefics3 import Idefics3
from tests.families.checks import check_names, check_rows, golden
from tests.tiny import TINY

LAYER = "model.text_model.layers.{}."
VISION = "model.vision_model.encoder.layers.{}."
GOLDEN = {
    "text.attn": golden(LAYER + "self_attn", "q_proj", "k_proj", "v_proj", "o_proj"),
    "text.mlp": golden(LAYER + "mlp", "gate_proj", "up_proj", "down_proj"),
    "vision.attn": golden(VISION + "self_attn", "q_proj", "k_proj", "v_proj", "out_proj"),
    "vision.mlp": golden(VISION + "mlp", "fc1", "fc2"),
    "connector": golden("model.connector", "modality_projection.proj", count=1),
}


@pytest.mark.parametrize("family", ["idefics3", "smolvlm"])
def test_names(family: str) -> None:
    check_names(TINY[family]().model, GOLDEN, {"lm_head"})


@pytest.mark.parametrize("family", ["idefics3", "smolvlm"])
def test_rows(family: str) -> None:
    names = ["model.vision_model.encoder.layers.0.self_attn", "model.connector"]
    check_rows(TINY[family](), names, [slice(0, 1), slice(1, 2)])


def test_towers() -> None:
    host = Idefics3()
    assert host.get_tower("model.vision_model.post_layernorm") == "vision"
    assert host.get_tower("connector.modality_projection") == "connector"
    assert host.get_tower("model.text_model.norm") == "text"


def test_placeholders() -> None:
    config = TINY["idefics3"]().model.config
    assert Idefics3().get_placeholder_ids(config) == {"image": config.image_token_id}
