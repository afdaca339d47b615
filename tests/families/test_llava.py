"""Names and rows of LLaVA."""

from coterie.families.llava import Llava
from tests.families.checks import check_names, check_rows, golden
from tests.tiny import TINY

LAYER = "model.language_model.layers.{}."
VISION = "model.vision_tower.encoder.layers.{}."
GOLDEN = {
    "text.attn": golden(LAYER + "self_attn", "q_proj", "k_proj", "v_proj", "o_proj"),
    "text.mlp": golden(LAYER + "mlp", "gate_proj", "up_proj", "down_proj"),
    "vision.attn": golden(VISION + "self_attn", "q_proj", "k_proj", "v_proj", "out_proj"),
    "vision.mlp": golden(VISION + "mlp", "fc1", "fc2"),
    "connector": golden("model.multi_modal_projector", "linear_1", "linear_2", count=1),
}


def test_names() -> None:
    check_names(TINY["llava"]().model, GOLDEN, {"lm_head"})


def test_rows() -> None:
    names = ["model.vision_tower.encoder.layers.0.self_attn", "model.multi_modal_projector"]
    check_rows(TINY["llava"](), names, [slice(0, 1), slice(1, 3)])


def test_towers() -> None:
    host = Llava()
    assert host.get_tower("model.vision_tower.post_layernorm") == "vision"
    assert host.get_tower("vision_tower") == "vision"
    assert host.get_tower("model.multi_modal_projector.act") == "connector"
    assert host.get_tower("model.language_model.norm") == "text"
    assert host.get_tower("lm_head") == "text"


def test_placeholders() -> None:
    model = TINY["llava"]().model
    assert Llava().get_placeholder_ids(model.config) == {"image": model.config.image_token_index}
