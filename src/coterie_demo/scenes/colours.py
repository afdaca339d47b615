"""Samples materials of objects; some pairs of hue and texture are in the test split only."""

import colorsys

import numpy as np

from coterie_demo.scenes.environments import Range
from coterie_demo.scenes.materials import TEXTURES, Material
from coterie_demo.scenes.pose import make_vertical_rotation, sample_rotation
from coterie_demo.scenes.shape import Array

HUES = 8
"""Bands of hue, from red on."""


def is_held_out(hue: int, texture: int) -> bool:
    """Whether objects of this hue have this texture only in tests: 8 of the 32 pairs.

    Each hue, and each texture, stands in training with others.
    """
    return (hue + texture) % 4 == 0


def sample_object_material(rng: np.random.Generator, held_out: bool, size: float) -> Material:
    """The paint of an object of `size` metres; of the pairs for tests, or of the others."""
    pairs = [
        (hue, texture)
        for hue in range(HUES)
        for texture in range(len(TEXTURES))
        if is_held_out(hue, texture) == held_out
    ]
    band, number = pairs[rng.integers(len(pairs))]
    hue = (band + rng.uniform(-0.35, 0.35)) / HUES % 1
    first = hsv_to_linear_rgb(hue, rng.uniform(0.5, 0.95), rng.uniform(0.55, 0.95))
    # The second colour is a dark or a pale one of the same hue, lest it be of another band.
    pale = hsv_to_linear_rgb(hue, rng.uniform(0.1, 0.3), rng.uniform(0.8, 0.95))
    second = pale if rng.random() < 0.5 else 0.2 * first
    texture = TEXTURES[number](
        period=size * float(rng.uniform(0.4, 1.1)), rotation=sample_rotation(rng)
    )
    shine = float(rng.choice([0.0, rng.uniform(0.15, 0.6)]))
    return Material(texture=texture, colours=np.stack([first, second]), specular=shine)


def sample_surface_material(
    rng: np.random.Generator, hues: Range, saturations: Range, values: Range, period: Range
) -> Material:
    """The paint of a floor, wall or ceiling, of colours in these ranges of 0 to 1."""
    hue, saturation, value = rng.uniform(*hues), rng.uniform(*saturations), rng.uniform(*values)
    other = np.clip([saturation + rng.uniform(-0.15, 0.15), value * rng.uniform(0.6, 1.1)], 0, 0.98)
    kind = TEXTURES[rng.integers(len(TEXTURES))]
    angle = rng.choice([0.0, np.pi / 2, rng.uniform(0, np.pi)])
    texture = kind(period=float(rng.uniform(*period)), rotation=make_vertical_rotation(angle))
    colours = np.stack(
        [hsv_to_linear_rgb(hue, saturation, value), hsv_to_linear_rgb(hue, other[0], other[1])]
    )
    return Material(texture=texture, colours=colours)


def hsv_to_linear_rgb(hue: float, saturation: float, value: float) -> Array:
    """[3] linear RGB."""
    return np.array(colorsys.hsv_to_rgb(hue, saturation, value)) ** 2.2
