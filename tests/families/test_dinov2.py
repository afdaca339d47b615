"""Names and shares of the DINO vision transformers."""

from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModel

from coterie.families.dinov2 import Dinov2
from tests.families.checks import by_role, check_names, check_rows, golden, known, ordered
from tests.tinies.base import VISION
from tests.tiny import TINY

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
GATED = ("gate_proj", "up_proj", "down_proj")
GOLDEN = {
    "vision.attn": golden("dinov2.encoder.layer.{}.attention", *ATTENTION),
    "vision.mlp": golden("dinov2.encoder.layer.{}.mlp", "fc1", "fc2"),
}


def test_names() -> None:
    check_names(TINY["dinov2"]().model, GOLDEN, {"classifier"})


@pytest.mark.parametrize(
    ("model_type", "options", "layer", "linears"),
    [
        ("dinov2", {}, "encoder.layer.{}", ("fc1", "fc2")),
        ("dinov2", {"use_swiglu_ffn": True}, "encoder.layer.{}", GATED),
        ("dinov2_with_registers", {}, "encoder.layer.{}", ("fc1", "fc2")),
        ("dinov3_vit", {}, "model.layer.{}", ("up_proj", "down_proj")),
        ("dinov3_vit", {"use_gated_mlp": True}, "model.layer.{}", GATED),
    ],
)
def test_names_of_every_model_type(
    model_type: str, options: dict[str, Any], layer: str, linears: tuple[str, ...]
) -> None:
    with torch.device("meta"):
        model = AutoModel.from_config(AutoConfig.for_model(model_type, **VISION, **options))
    expected = {
        "vision.attn": golden(layer + ".attention", *ATTENTION),
        "vision.mlp": golden(layer + ".mlp", *linears),
    }
    assert by_role(model, known(model)) == ordered(expected)


def test_rows() -> None:
    names = ["dinov2.encoder.layer.0.attention", "dinov2.encoder.layer.1.mlp"]
    check_rows(TINY["dinov2"](), names, [slice(0, 1), slice(1, 2)])


def test_tower_and_placeholders() -> None:
    assert Dinov2().get_tower("dinov2.layernorm") == "vision"
    assert Dinov2().get_placeholder_ids(None) == {}
