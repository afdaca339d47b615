"""DINOv2 patches: whose hidden states, and which patches are averaged."""

import torch
from transformers import Dinov2Config, Dinov2Model

from coterie.models.omni.encoders.dinov2 import DINOv2Encoder
from tests.tinies.omni import DINO

NONE = torch.zeros(2, dtype=torch.long)


def test_tokens_are_means_over_squares_of_the_named_layers(tmp_path) -> None:
    whole = Dinov2Model(Dinov2Config(num_hidden_layers=3, **DINO)).eval()
    whole.save_pretrained(tmp_path)
    encoder = DINOv2Encoder(config=DINO, layers=(1, 2), side=2)
    tower = encoder.build_tower().eval()
    tower.load_state_dict(encoder.load_weights(tmp_path))
    pixels = torch.randn(2, 3, 28, 28)
    with torch.no_grad():
        found = encoder.encode(tower, pixels, NONE)
        states = whole(pixels, output_hidden_states=True).hidden_states
    assert found.shape == (2, 4, 64) and encoder.width == 64 and encoder.count_tokens(0) == 4
    # The second token is the upper right square: patches 2, 3 of the first two rows of four.
    patches = [1 + index for index in (2, 3, 6, 7)]
    wanted = torch.cat([states[1], states[2]], -1)[:, patches].mean(1)
    torch.testing.assert_close(found[:, 1], wanted)


def test_layers_behind_the_last_that_is_read_are_left_out() -> None:
    tower = DINOv2Encoder(config=DINO, layers=(1, 2)).build_tower()
    assert len(tower.encoder.layer) == 2
