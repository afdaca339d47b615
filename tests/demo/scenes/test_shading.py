"""From linear light to sRGB."""

import numpy as np

from coterie_demo.scenes.shading import linear_to_srgb


def test_srgb() -> None:
    # 1.055 * 0.5^(1 / 2.4) - 0.055 = 0.7354; below 0.0031308 it is 12.92 times as much.
    found = linear_to_srgb(np.array([0.0, 0.001, 0.5, 1.0]))
    np.testing.assert_allclose(found, [0.0, 0.01292, 0.7354, 1.0], atol=5e-5)
