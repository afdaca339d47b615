"""Names and shares of CLIP."""

import pytest
import torch
from transformers import AutoConfig, AutoModel

from coterie.families.clip import Clip
from tests.families.checks import by_role, check_names, check_rows, golden, known, ordered
from tests.tinies.base import VISION
from tests.tinies.vision import CAPTION
from tests.tiny import TINY

ATTENTION = ("q_proj", "k_proj", "v_proj", "out_proj")
GOLDEN = {
    "vision.attn": golden("vision_model.encoder.layers.{}.self_attn", *ATTENTION),
    "vision.mlp": golden("vision_model.encoder.layers.{}.mlp", "fc1", "fc2"),
}
WHOLE = {
    **GOLDEN,
    "text.attn": golden("text_model.encoder.layers.{}.self_attn", *ATTENTION),
    "text.mlp": golden("text_model.encoder.layers.{}.mlp", "fc1", "fc2"),
}


def test_names() -> None:
    check_names(TINY["clip"]().model, GOLDEN, {"classifier"})


@pytest.mark.parametrize("model_type", ["clip"])
def test_names_of_both_encoders(model_type: str) -> None:
    config = AutoConfig.for_model(model_type, vision_config=dict(VISION), text_config=CAPTION)
    with torch.device("meta"):
        model = AutoModel.from_config(config)
    assert by_role(model, known(model)) == ordered(WHOLE)


@pytest.mark.parametrize("model_type", ["clip_vision_model"])
def test_names_of_the_vision_encoder(model_type: str) -> None:
    with torch.device("meta"):
        model = AutoModel.from_config(AutoConfig.for_model(model_type, **VISION))
    assert by_role(model, known(model)) == ordered(GOLDEN, prefix="vision_model.")


def test_rows() -> None:
    names = ["vision_model.encoder.layers.0.self_attn", "vision_model.encoder.layers.1.mlp"]
    check_rows(TINY["clip"](), names, [slice(0, 1), slice(1, 2)])


def test_tower_and_placeholders() -> None:
    host = Clip()
    assert host.get_tower("text_model.final_layer_norm") == "text"
    assert host.get_tower("vision_model.post_layernorm") == "vision"
    assert host.get_tower("classifier") == "vision"
    assert host.get_placeholder_ids(None) == {}
