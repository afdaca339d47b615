"""Names and rows of Qwen2.5-Omni's thinker."""

import torch

from coterie.families.base import compute_sample_index
from coterie.families.qwen_omni import QwenOmni
from tests.families.checks import check_names, check_rows, golden, traced
from tests.tiny import TINY

LAYER = "model.language_model.layers.{}."
VISION = "model.visual.blocks.{}."
AUDIO = "model.audio_tower.layers.{}."
GATED = ("gate_proj", "up_proj", "down_proj")
GOLDEN = {
    "text.attn": golden(LAYER + "self_attn", "q_proj", "k_proj", "v_proj", "o_proj"),
    "text.mlp": golden(LAYER + "mlp", *GATED),
    "vision.attn": golden(VISION + "attn", "q", "k", "v", "proj"),
    "vision.mlp": golden(VISION + "mlp", *GATED),
    "connector": golden("model.visual.merger", "mlp.0", "mlp.2", count=1),
    "audio.attn": golden(AUDIO + "self_attn", "q_proj", "k_proj", "v_proj", "out_proj"),
}
REST = {AUDIO.format(layer) + name for layer in (0, 1) for name in ("fc1", "fc2")}


def test_names() -> None:
    model = TINY["qwen2_5_omni"]().model
    check_names(model, GOLDEN, {"lm_head", "model.audio_tower.proj", *REST})


def test_rows_of_images() -> None:
    # The first sample's picture has 2 x 4 patches, the second's have 4 x 4 and 2 x 2.
    names = ["model.visual.blocks.0.attn", "model.visual.merger"]
    check_rows(TINY["qwen2_5_omni"](), names, [slice(0, 8), slice(8, 28)])


def test_rows_of_sounds() -> None:
    # 9, 20 and 6 frames are 5, 10 and 3 rows, and after the layers 2, 5 and 1.
    tiny = TINY["qwen2_5_omni"]()
    places = {"audio": "model.audio_tower.layers.0.self_attn",
              "audio_connector": "model.audio_tower.proj"}  # fmt: skip
    before = traced(tiny.model, tiny.batch, list(places.values()))
    features = tiny.batch["input_features"].clone()
    features[1:] *= 1.5
    after = traced(tiny.model, {**tiny.batch, "input_features": features}, list(places.values()))
    for tower, expected in (("audio", [5, 13]), ("audio_connector", [2, 6])):
        shares = QwenOmni().count_rows_per_sample(tower, tiny.batch, tiny.model.config)
        assert shares.tolist() == expected
        for end in ("in", "out"):
            rows = before[places[tower], end]
            changed = (rows != after[places[tower], end]).flatten(1).any(1)
            assert torch.equal(changed, compute_sample_index(shares, len(rows)) == 1)


def test_towers() -> None:
    host = QwenOmni()
    assert host.get_tower("model.audio_tower.conv1") == "audio"
    assert host.get_tower("audio_tower.proj") == "audio_connector"
    assert host.get_tower("model.visual.merger.ln_q") == "connector"
    assert host.get_tower("model.language_model.norm") == "text"


def test_placeholders() -> None:
    config = TINY["qwen2_5_omni"]().model.config
    assert QwenOmni().get_placeholder_ids(config) == {
        "image": config.image_token_id,
        "video": config.video_token_id,
        "audio": config.audio_token_id,
    }
