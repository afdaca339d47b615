"""EfficientNet-Lite as an encoder: the scale of its pixels, one token, its weights."""

import torch
from safetensors.torch import save_file
from torch import nn

from coterie.models.omni.encoders.efficientnet import EfficientNetEncoder
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
