"""The convolutional tower: shapes, parameter names, statistics that stay."""

import torch

from coterie.models.omni.efficientnet import LITE0, EfficientNetLite, SameConv


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
