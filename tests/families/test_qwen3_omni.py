"""Names and rows of Qwen3-Omni's thinker."""

import torch

from coterie.families.base import compute_sample_index
from coterie.families.qwen3_omni import Qwen3Omni
from tests.families.checks import Names, check_names, check_rows, golden, traced
from tests.tiny import TINY

LAYER = "model.language_model.layers.{}."
VISION = "model.visual.blocks.{}."
AUDIO = "model.audio_tower.layers.{}."
DENSE = golden(LAYER + "mlp", "gate_proj", "up_proj", "down_proj", count=1)
MERGERS = ["model.visual.merger", "model.visual.merger_list.0"]
GOLDEN = {
    "text.attn": golden(LAYER + "self_attn", "q_proj", "k_proj", "v_proj", "o_proj"),
    "text.mlp": Names([*DENSE.blocks, LAYER.format(1) + "mlp"], DENSE.linears),
    "vision.attn": golden(VISION + "attn", "qkv", "proj"),
    "vision.mlp": golden(VISION + "mlp", "linear_fc1", "linear_fc2"),
    "connector": Names(MERGERS, [f"{name}.mlp.{linear}" for name in MERGERS for linear in (0, 2)]),
    "audio.attn": golden(AUDIO + "self_attn", "q_proj", "k_proj", "v_proj", "out_proj"),
}
REST = {AUDIO.format(layer) + name for layer in (0, 1) for name in ("fc1", "fc2")}
REST |= {f"model.audio_tower.{name}" for name in ("conv_out", "proj1", "proj2")}


def test_names() -> None:
    check_names(TINY["qwen3_omni"]().model, GOLDEN, {"lm_head", *REST})


def test_rows_of_images() -> None:
    # The first sample's picture has 2 x 4 patches, the second's have 4 x 4 and 2 x 2.
    names = ["model.visual.blocks.0.attn", *MERGERS]
    check_rows(TINY["qwen3_omni"](), names, [slice(0, 8), slice(8, 28)])


def test_rows_of_sounds() -> None:
    # 9, 150 and 6 frames are 1, 2 and 1 windows of 100, and by three halvings 2, 13 + 7 and 1 rows.
    tiny = TINY["qwen3_omni"]()
    places = {"audio_connector": "model.audio_tower.conv_out",
              "audio": "model.audio_tower.layers.0.self_attn"}  # fmt: skip
    before = traced(tiny.model, tiny.batch, list(places.values()))
    features = tiny.batch["input_features"].clone()
    features[1:] *= 1.5
    after = traced(tiny.model, {**tiny.batch, "input_features": features}, list(places.values()))
    for tower, expected in (("audio_connector", [1, 3]), ("audio", [2, 21])):
        shares = Qwen3Omni().count_rows_per_sample(tower, tiny.batch, tiny.model.config)
        assert shares.tolist() == expected
        for end in ("in", "out"):
            rows = before[places[tower], end]
            changed = (rows != after[places[tower], end]).flatten(1).any(1)
            assert torch.equal(changed, compute_sample_index(shares, len(rows)) == 1)


def test_towers() -> None:
    host = Qwen3Omni()
    assert host.get_tower("model.audio_tower.conv2d1") == "audio"
    assert host.get_tower("audio_tower.proj2") == "audio"
    assert host.get_tower("model.audio_tower.conv_out") == "audio_connector"
    assert host.get_tower("model.visual.merger_list.0.ln_q") == "connector"
    assert host.get_tower("model.visual.patch_embed") == "vision"
    assert host.get_tower("model.language_model.norm") == "text"
