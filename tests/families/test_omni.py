"""Names and rows of the omni model."""

import pytest
import torch

from coterie.families.base import compute_sample_index
from coterie.families.omni import Omni
from tests.families.checks import by_role, check_rows, golden, known, ordered, traced
from tests.models.omni.test_mixed_media import KINDS, clip
from tests.tinies.base import pictures
from tests.tinies.omni import omni_model, omni_processor
from tests.tiny import TINY

LAYER = "model.language_model.layers.{}."
VISION = "model.vision_tower.encoder.layer.{}."
AUDIO = "model.audio_tower.layers.{}."
GOLDEN = {
    "text.attn": golden(LAYER + "self_attn", "q_proj", "k_proj", "v_proj", "o_proj"),
    "text.mlp": golden(LAYER + "mlp", "gate_proj", "up_proj", "down_proj"),
    "vision.attn": golden(VISION + "attention", "q_proj", "k_proj", "v_proj", "o_proj"),
    "vision.mlp": golden(VISION + "mlp", "fc1", "fc2"),
    "audio.attn": golden(AUDIO + "self_attn", "q_proj", "k_proj", "v_proj", "out_proj"),
    "audio.mlp": golden(AUDIO + "mlp", "fc1", "fc2"),
}
CONNECTORS = [f"model.connectors.{name}" for name in ("audio", "efficient", "vision")]


def test_names() -> None:
    model = TINY["omni"]().model
    found = by_role(model, known(model))
    connectors = found.pop("connector")
    assert connectors.blocks == CONNECTORS
    assert connectors.linears == [f"{name}.linear_{i}" for name in CONNECTORS for i in (1, 2)]
    assert found == ordered(GOLDEN)
    bare = by_role(model.base_model, known(model))
    assert bare.pop("connector").blocks == [name.removeprefix("model.") for name in CONNECTORS]
    assert bare == ordered(GOLDEN, prefix="model.")


def test_rows_of_images() -> None:
    names = ["model.vision_tower.encoder.layer.0.mlp", *CONNECTORS[1:]]
    check_rows(TINY["omni"](), names, [slice(0, 1), slice(1, 3)])


def test_rows_of_sounds() -> None:
    tiny = TINY["omni"]()
    names = ["model.audio_tower.layers.0.mlp", CONNECTORS[0]]
    shares = Omni().count_rows_per_sample("audio", tiny.batch, tiny.model.config)
    assert shares.tolist() == [1, 1]
    before = traced(tiny.model, tiny.batch, names)
    values = tiny.batch["input_features"].clone()
    values[1] *= 1.5
    after = traced(tiny.model, {**tiny.batch, "input_features": values}, names)
    for place, rows in before.items():
        changed = (rows != after[place]).flatten(1).any(1)
        assert torch.equal(changed, compute_sample_index(shares, len(rows)) == 1), place


def test_unequal_sounds_are_counted_by_where_they_end() -> None:
    # 16 frames are 8 states are 2 tokens, 40 are 5, 48 are 6: the samples have 0, 8 and 5 tokens.
    config = TINY["omni"]().model.config
    ids = torch.full((3, 9), 20)
    ids[1, :8] = ids[2, 2:7] = config.audio_token_id
    inputs = {"input_ids": ids, "feature_lengths": torch.tensor([16, 48, 40])}
    assert Omni().count_rows_per_sample("audio", inputs, config).tolist() == [0, 2, 1]


def test_towers() -> None:
    host = Omni()
    assert host.get_tower("model.vision_tower.embeddings") == "vision"
    assert host.get_tower("efficient_tower._conv_head") == "vision"
    assert host.get_tower("model.audio_tower.conv1") == "audio"
    assert host.get_tower("model.connectors.audio.linear_1") == "audio"
    assert host.get_tower("model.connectors.vision") == "connector"
    assert host.get_tower("model.language_model.norm") == "text"
    assert host.get_tower("lm_head") == "text"


def test_placeholders() -> None:
    config = TINY["omni"]().model.config
    assert Omni().get_placeholder_ids(config) == {
        "image": config.image_token_id,
        "audio": config.audio_token_id,
    }
    config.audio_token_id = None
    assert Omni().get_placeholder_ids(config) == {"image": config.image_token_id}


def test_rows_of_videos_are_frames_and_clips() -> None:
    model = omni_model(processor := omni_processor(KINDS))
    videos = [clip(1), clip(3), clip(2)]
    batch = processor(
        text=["<video>a<video>", "b", "<video>"], videos=videos, padding=True, return_tensors="pt"
    )
    host, config = Omni(), model.config
    # The frames of the clips are rows of the tower; the clips those of its connector.
    assert host.count_rows_per_sample("vision", batch, config).tolist() == [4, 0, 2]
    assert host.count_rows_per_sample("video", batch, config).tolist() == [2, 0, 1]
    both = {**batch, "pixel_values": torch.zeros(1, 3, 28, 28)}
    with pytest.raises(
        ValueError, match=r"The batch has images and videos\. The vision tower runs"
    ):
        host.count_rows_per_sample("vision", both, config)


def test_rows_of_tiles() -> None:
    model = omni_model(processor := omni_processor(KINDS))
    batch = processor(
        text=["<image>a<image>", "<image>"],
        images=pictures((80, 40), (28, 28), (28, 28)),
        padding=True,
        return_tensors="pt",
    )
    # Two tiles and a thumbnail, and one; one. The connector has a row a picture.
    shares = Omni().count_rows_per_sample("vision", batch, model.config)
    assert shares.tolist() == [4, 1]
    assert Omni().count_rows_per_sample("connector", batch, model.config).tolist() == [2, 1]


def test_the_towers_of_sounds_and_videos() -> None:
    host = Omni()
    assert host.get_tower("model.sound_tower.layers.0.mlp") == "sound"
    assert host.get_tower("model.connectors.sound") == "sound"
    assert host.get_tower("model.connectors.video.linear_1") == "video"
    blocks = by_role(omni_model(omni_processor(KINDS)), host)["sound.mlp"].blocks
    assert blocks == ["model.sound_tower.layers.0.mlp"]
