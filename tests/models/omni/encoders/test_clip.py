"""CLIP's patches of the last layer but one, equal to transformers' own."""

import torch
from transformers import CLIPVisionConfig, CLIPVisionModel

from coterie.models.omni.encoders.clip import CLIPEncoder
from tests.tinies.base import VISION, seeded


def test_features_are_those_of_the_whole_model(tmp_path) -> None:
    whole = seeded(lambda: CLIPVisionModel(CLIPVisionConfig(**VISION))).eval()
    whole.save_pretrained(tmp_path)
    kind = CLIPEncoder(config=VISION)
    tower = kind.build_tower().eval()
    tower.load_state_dict(kind.load_weights(tmp_path))
    pixels = torch.randn(2, 3, 28, 28)
    with torch.no_grad():
        states = whole(pixel_values=pixels, output_hidden_states=True).hidden_states
        found = kind.encode_images(tower, pixels)
        pooled = CLIPEncoder(config=VISION, side=2).encode_images(tower, pixels)
    # 28 / 7 are 4 x 4 patches; of two layers the first is kept.
    assert kind.tokens_per_image == 16 and found.shape == (2, 16, 32)
    torch.testing.assert_close(found, states[-2][:, 1:])
    assert len(tower.encoder.layers) == 1
    # Patches 0, 1, 4 and 5 are the first of 2 x 2 tokens.
    torch.testing.assert_close(pooled[:, 0], found[:, [0, 1, 4, 5]].mean(1))
