"""Names and rows of Gemma 3 with images."""

from coterie.families.gemma3 import Gemma3
from tests.families.checks import check_names, check_rows, golden
from tests.tiny import TINY

LAYER = "model.language_model.layers.{}."
VISION = "model.vision_tower.encoder.layers.{}."
GOLDEN = {
    "text.attn": golden(LAYER + "self_attn", "q_proj", "k_proj", "v_proj", "o_proj"),
    "text.mlp": golden(LAYER + "mlp", "gate_proj", "up_proj", "down_proj"),
    "vision.attn": golden(VISION + "self_attn", "q_proj", "k_proj", "v_proj", "out_proj"),
    "vision.mlp": golden(VISION + "mlp", "fc1", "fc2"),
}


def test_names() -> None:
    check_names(TINY["gemma3"]().model, GOLDEN, {"lm_head"})


def test_rows() -> None:
    names = ["model.vision_tower.encoder.layers.0.self_attn", "model.multi_modal_projector"]
    check_rows(TINY["gemma3"](), names, [slice(0, 1), slice(1, 3)])


def test_towers() -> None:
    host = Gemma3()
    assert host.get_tower("model.vision_tower.post_layernorm") == "vision"
    assert host.get_tower("model.multi_modal_projector.mm_soft_emb_norm") == "connector"
    assert host.get_tower("model.language_model.norm") == "text"


def test_placeholders() -> None:
    config = TINY["gemma3"]().model.config
    assert Gemma3().get_placeholder_ids(config) == {"image": config.image_token_index}
