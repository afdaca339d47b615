import colorsys

import numpy as np
import pytest

from coterie_demo.scenes.colours import HUES, is_held_out, sample_object_material
from coterie_demo.scenes.materials import TEXTURES


def test_each_hue_and_texture_is_trained_on_with_others() -> None:
    pairs = np.array([[is_held_out(h, t) for t in range(len(TEXTURES))] for h in range(HUES)])
    assert pairs.sum() == 8
    assert (~pairs).any(axis=0).all() and (~pairs).any(axis=1).all()


@pytest.mark.parametrize("held_out", [False, True])
def test_objects_have_the_pairs_of_their_split(held_out: bool) -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        paint = sample_object_material(rng, held_out, 0.5)
        texture = TEXTURES.index(type(paint.texture))
        for linear in paint.colours:
            hue, _, _ = colorsys.rgb_to_hsv(*linear ** (1 / 2.2))
            assert is_held_out(round(hue * HUES) % HUES, texture) == held_out
