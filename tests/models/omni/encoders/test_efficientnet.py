"""EfficientNet-Lite: the scale of its pixels, one token, its weights, statistics that stay."""

import torch
from safetensors.torch import save_file
from torch import nn

from coterie.models.omni.encoders.efficientnet import (
    LITE0,
    EfficientNetEncoder,
    EfficientNetLite,
    SameConv,
)
from tests.tinies.omni import STAGES

NONE = torch.zeros(1, dtype=torch.long)


def test_pixels_are_rescaled_and_the_map_is_averaged() -> None:
    # Bytes 127 and 255, normalised as ImageNet's, become 0 and 1; their mean is 1/2.
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    bytes_ = torch.tensor([127.0, 255.0])
    pixels = ((bytes_[:, None] / 255 - mean) / deviation).T[None, :, None]
    found = EfficientNetEncoder().encode(nn.Identity(), pixels, NONE)
    torch.testing.assert_close(found, torch.full((1, 1, 3), 0.5))


def test_the_classifier_is_left_behind(tmp_path) -> None:
    encoder = EfficientNetEncoder(stem=8, stages=STAGES, head=16)
    state = encoder.build_tower().state_dict()
    save_file({**state, "_fc.weight": torch.zeros(2, 16)}, tmp_path / "model.safetensors")
    assert encoder.load_weights(tmp_path).keys() == state.keys()
    assert (encoder.width, encoder.count_tokens(0)) == (16, 1)


def test_lite0_has_the_published_size_and_names() -> None:
    tower = EfficientNetLite(32, LITE0, 1280)
    # 4,652,008 parameters with the classifier's 1280 x 1000 + 1000.
    assert sum(weights.numel() for weights in tower.parameters()) == 4_652_008 - 1_281_000
    names = tower.state_dict().keys()
    assert {"_conv_stem.weight", "_bn0.running_mean", "_blocks.15._project_conv.weight"} <= names
    assert "_blocks.0._expand_conv.weight" not in names
    with torch.no_grad():
        assert tower(torch.zeros(1, 3, 64, 96)).shape == (1, 1280, 2, 3)


def test_what_is_odd_is_padded_right_and_below() -> None:
    conv = SameConv(1, 1, kernel=3, stride=2)
    conv.weight.data.fill_(1)
    # Four pixels, stride 2: two windows, at 0..2 and 2..4, the last of which is padding.
    x = torch.tensor([1.0, 2.0, 4.0, 8.0]).expand(1, 1, 4, 4)
    assert conv(x)[0, 0, 0].tolist() == [3 * 7, 3 * 12]
    assert conv(x)[0, 0, 1].tolist() == [2 * 7, 2 * 12]


def test_training_leaves_the_statistics_alone() -> None:
    tower = EfficientNetLite(8, LITE0[:1], 8).train()
    before = tower._bn0.running_mean.clone()
    tower(torch.randn(2, 3, 8, 8))
    assert torch.equal(tower._bn0.running_mean, before)
