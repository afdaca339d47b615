"""Names and rows of ConvNeXt and DINOv3's ConvNeXt."""

import pytest
import torch
from transformers import AutoConfig, AutoModel

from coterie.families.convnext import ConvNext
from tests.families.checks import by_role, check_rows, known
from tests.tiny import TINY


@pytest.mark.parametrize("model_type", ConvNext.model_types)
def test_names_of_every_model_type(model_type: str) -> None:
    sizes = {"hidden_sizes": [8, 16], "depths": [1, 2]}
    if model_type != "dinov3_convnext":
        sizes["num_stages"] = 2
    with torch.device("meta"):
        model = AutoModel.from_config(AutoConfig.for_model(model_type, **sizes))
    (found,) = by_role(model, known(model)).values()
    start = "model.stages" if model_type == "dinov3_convnext" else "encoder.stages"
    layers = [f"{start}.{stage}.layers.{layer}" for stage, layer in ((0, 0), (1, 0), (1, 1))]
    name = "pointwise_conv" if model_type == "dinov3_convnext" else "pwconv"
    assert found.blocks == layers
    assert found.linears == [f"{layer}.{name}{number}" for layer in layers for number in (1, 2)]


def test_rows() -> None:
    names = ["convnext.encoder.stages.0.layers.0", "convnext.encoder.stages.1.layers.0.pwconv1"]
    check_rows(TINY["convnext"](), names, [slice(0, 1), slice(1, 2)])


def test_tower() -> None:
    assert ConvNext().get_tower("convnext.layernorm") == "vision"
