"""Light, by hand."""

import numpy as np

from coterie_demo.scenes.light import AmbientLight, DirectionalLight, PointLight

UP = np.array([[0.0, 0.0, 1.0]])


def test_a_lamp_fades_to_its_colour_at_its_reach() -> None:
    lamp = PointLight(position=np.array([0.0, 0.0, 3.0]), colour=np.full(3, 0.5), reach=3.0)
    ways = lamp.compute_offsets(np.zeros((1, 3)))
    np.testing.assert_array_equal(ways, [[0, 0, 3]])
    np.testing.assert_allclose(lamp.compute_radiance(ways), [[0.5] * 3])
    np.testing.assert_allclose(lamp.compute_radiance(0 * ways), [[1.0] * 3])  # twice at 0 m


def test_a_sun_is_alike_everywhere() -> None:
    sun = DirectionalLight(direction=UP[0], colour=np.ones(3))
    ways = sun.compute_offsets(np.array([[0.0, 0, 0], [9.0, 9, 9]]))
    np.testing.assert_array_equal(ways[0], ways[1])
    np.testing.assert_array_equal(sun.compute_radiance(ways), np.ones((2, 3)))


def test_surroundings_blend_from_below_to_above() -> None:
    one = np.ones(3)
    light = AmbientLight(above=one, below=0.5 * one, zenith=0.2 * one, horizon=0.8 * one)
    np.testing.assert_allclose(light.compute_ambient(np.vstack([UP, -UP]))[:, 0], [1.0, 0.5])
    # At a height of 0.25 the sky is half zenith: sqrt(0.25) = 0.5.
    slanted = np.array([[0.0, np.sqrt(1 - 0.25**2), 0.25]])
    np.testing.assert_allclose(light.compute_sky(slanted), [[0.5] * 3])
