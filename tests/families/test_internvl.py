"""Names and rows of InternVL."""

from coterie.families.internvl import InternVl
from tests.families.checks import check_names, check_rows, golden
from tests.tiny import TINY

LAYER = "model.language_model.layers.{}."
VISION = "model.vision_tower.encoder.layer.{}."
GOLDEN = {
    "text.attn": golden(LAYER + "self_attn", "q_proj", "k_proj", "v_proj", "o_proj"),
    "text.mlp": golden(LAYER + "mlp", "gate_proj", "up_proj", "down_proj"),
    "vision.attn": golden(VISION + "attention", "q_proj", "k_proj", "v_proj", "projection_layer"),
    "vision.mlp": golden(VISION + "mlp", "fc1", "fc2"),
    "connector": golden("model.multi_modal_projector", "linear_1", "linear_2", count=1),
}


def test_names() -> None:
    check_names(TINY["internvl"]().model, GOLDEN, {"lm_head"})


def test_rows() -> None:
    # Rows are tiles: 2 and the whole, then 1 alone, then 2 and the whole.
    names = ["model.vision_tower.encoder.layer.0.attention", "model.multi_modal_projector"]
    check_rows(TINY["internvl"](), names, [slice(0, 3), slice(3, 7)])


def test_towers() -> None:
    host = InternVl()
    assert host.get_tower("model.vision_tower.embeddings") == "vision"
    assert host.get_tower("model.multi_modal_projector.layer_norm") == "connector"
    assert host.get_tower("model.language_model.norm") == "text"


def test_placeholders() -> None:
    config = TINY["internvl"]().model.config
    assert InternVl().get_placeholder_ids(config) == {"image": config.image_token_id}
