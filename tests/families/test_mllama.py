"""Names and rows of Llama 3.2 Vision."""

from coterie.families.base import compute_sample_index
from coterie.families.mllama import Mllama
from tests.families.checks import Names, check_names, golden, traced
from tests.tiny import TINY

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
LAYER = "model.language_model.layers.{}."
LOCAL = "model.vision_model.transformer.layers.{}."
GLOBAL = "model.vision_model.global_transformer.layers.{}."


def both(block: str, *linears: str) -> Names:
    """Two layers within tiles, one over all tiles of an image."""
    first, second = golden(LOCAL + block, *linears), golden(GLOBAL + block, *linears, count=1)
    return Names(second.blocks + first.blocks, second.linears + first.linears)


GOLDEN = {
    "text.attn": golden(LAYER + "self_attn", *ATTENTION, count=1),
    "text.mlp": golden(LAYER + "mlp", "gate_proj", "up_proj", "down_proj"),
    "vision.attn": both("self_attn", *ATTENTION),
    "vision.mlp": both("mlp", "fc1", "fc2"),
}
CROSS = {f"model.language_model.layers.1.cross_attn.{name}" for name in ATTENTION}


def test_names() -> None:
    rest = {"lm_head", "model.multi_modal_projector", *CROSS}
    check_names(TINY["mllama"]().model, GOLDEN, rest)


def test_rows() -> None:
    # Each sample has two places for images; the first sample's second one is padding.
    tiny, name = TINY["mllama"](), "model.vision_model.transformer.layers.0.self_attn"
    assert tiny.batch["pixel_values"].shape[:2] == (2, 2)
    shares = Mllama().count_rows_per_sample("vision", tiny.batch, tiny.model.config)
    assert compute_sample_index(shares, 4).tolist() == [0, 0, 1, 1]
    before = traced(tiny.model, tiny.batch, [name])[name, "in"]
    for sample, rows in ((0, slice(0, 2)), (1, slice(2, 4))):
        pixels = tiny.batch["pixel_values"].clone()
        pixels[sample] += 1
        after = traced(tiny.model, {**tiny.batch, "pixel_values": pixels}, [name])[name, "in"]
        changed = (before != after).flatten(1).any(1)
        assert changed[rows].all() and changed.sum() == 2


def test_towers() -> None:
    assert Mllama().get_tower("model.vision_model.layernorm_post") == "vision"
    assert Mllama().get_tower("model.multi_modal_projector") == "connector"
    assert Mllama().get_tower("model.language_model.layers.1.cross_attn.k_proj") == "text"
