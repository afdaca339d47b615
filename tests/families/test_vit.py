"""Names and shares of vision transformers."""

import pytest
import torch
from transformers import AutoConfig, AutoModel

from coterie.families.vit import ViT
from tests.families.checks import by_role, check_names, check_rows, golden, known, ordered
from tests.tinies.base import VISION
from tests.tiny import TINY

GOLDEN = {
    "vision.attn": golden("vit.layers.{}.attention", "q_proj", "k_proj", "v_proj", "o_proj"),
    "vision.mlp": golden("vit.layers.{}.mlp", "fc1", "fc2"),
}


def test_names() -> None:
    check_names(TINY["vit"]().model, GOLDEN, {"classifier"})


@pytest.mark.parametrize("model_type", ViT.model_types)
def test_names_of_every_model_type(model_type: str) -> None:
    with torch.device("meta"):
        model = AutoModel.from_config(AutoConfig.for_model(model_type, **VISION))
    assert by_role(model, known(model)) == ordered(GOLDEN, prefix="vit.")


def test_rows() -> None:
    names = ["vit.layers.0.attention", "vit.layers.1.mlp"]
    check_rows(TINY["vit"](), names, [slice(0, 1), slice(1, 2)])


def test_tower_and_placeholders() -> None:
    assert {ViT().get_tower(name) for name in ("classifier", "vit.layernorm")} == {"vision"}
    assert ViT().get_placeholder_ids(None) == {}


def test_pixels_are_needed() -> None:
    with pytest.raises(ValueError, match="pixel_values is missing"):
        ViT().count_rows_per_sample("vision", {"labels": torch.tensor([0])}, None)
