"""Names and rows of Gemma 4, whose images have different numbers of tokens."""

import torch

from coterie.families.gemma4 import Gemma4
from tests.families.checks import check_names, check_rows, golden
from tests.tiny import TINY

LAYER = "model.language_model.layers.{}."
VISION = "model.vision_tower.encoder.layers.{}."
GATED = ("gate_proj", "up_proj", "down_proj")
GOLDEN = {
    "text.attn": golden(LAYER + "self_attn", "q_proj", "k_proj", "v_proj", "o_proj"),
    "text.mlp": golden(LAYER + "mlp", *GATED),
    "vision.attn": golden(VISION + "self_attn", *(f"{name}_proj.linear" for name in "qkvo")),
    "vision.mlp": golden(VISION + "mlp", *(f"{name}.linear" for name in GATED)),
    "connector": golden("model.embed_vision", "embedding_projection", count=1),
}
IMAGE = 7


class Config:
    """What the family reads of a configuration."""

    image_token_id, video_token_id, audio_token_id = IMAGE, 8, 9


def test_names() -> None:
    layers = {
        LAYER.format(layer) + name
        for layer in (0, 1)
        for name in ("per_layer_input_gate", "per_layer_projection")
    }
    rest = {"lm_head", "model.language_model.per_layer_model_projection"}
    rest |= layers | {"model.vision_tower.patch_embedder.input_proj"}
    check_names(TINY["gemma4"]().model, GOLDEN, rest)


def test_rows() -> None:
    names = [VISION.format(0) + "self_attn", VISION.format(1) + "mlp"]
    check_rows(TINY["gemma4"](), names, [slice(0, 1), slice(1, 3)])


def test_images_are_told_apart_by_their_patches() -> None:
    # Images of 4, 2 and 6 patches and, pooled by 2, of 2, 1 and 3 tokens.
    places = torch.full((3, 6, 2), -1)
    for place, patches in zip(places, (4, 2, 6), strict=True):
        place[:patches] = 0
    for counts, images in (((2, 4), [1, 2]), ((3, 3), [2, 1]), ((0, 6), [0, 3])):
        ids = torch.zeros(2, 8, dtype=torch.int64)
        ids[0, : counts[0]], ids[1, : counts[1]] = IMAGE, IMAGE
        batch = {"input_ids": ids, "image_position_ids": places, "pixel_values": torch.zeros(3)}
        assert Gemma4().count_rows_per_sample("vision", batch, Config).tolist() == images
        assert Gemma4().count_rows_per_sample("connector", batch, Config).tolist() == [*counts]


def test_towers() -> None:
    assert Gemma4().get_tower("model.audio_tower.layers.0") == "audio"
    assert Gemma4().get_tower("model.embed_vision.embedding_projection") == "connector"
    assert Gemma4().get_tower("model.language_model.norm") == "text"
