import numpy as np
import pytest

from coterie_demo.scenes.materials import TEXTURES, Checker, Material, Noise, Stripes, Texture


def test_checker_and_stripes_by_hand() -> None:
    # Half a period is one colour: cubes of 0.5 around multiples of 0.5, layers of 0.5 from 0 on.
    points = np.array([[0.0, 0, 0], [0.5, 0, 0], [0.5, 0.5, 0], [0.2, 0.2, 0.2], [0.3, 0, 0]])
    checker = Checker(period=1.0, rotation=np.eye(3)).compute_mix(points)
    np.testing.assert_array_equal(checker, [0, 1, 0, 0, 1])
    points = np.array([[0.1, 7, 7], [0.6, 7, 7], [1.1, 7, 7]])
    np.testing.assert_array_equal(
        Stripes(period=1.0, rotation=np.eye(3)).compute_mix(points), [0, 1, 0]
    )


def test_noise_is_smooth_and_uses_its_range() -> None:
    line = np.linspace(-20, 20, 20001)[:, None] * [1.0, 0.3, 0.2]
    share = Noise(period=1.0, rotation=np.eye(3)).compute_mix(line)
    assert share.min() < 0.1 < 0.9 < share.max()
    assert abs(np.diff(share)).max() < 0.05  # steps are 0.002 long


@pytest.mark.parametrize("texture", TEXTURES)
def test_albedo_blends_the_two_colours(texture: type[Texture]) -> None:
    colours = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    paint = Material(texture=texture(period=0.5, rotation=np.eye(3)), colours=colours)
    albedo = paint.compute_albedo(np.random.default_rng(0).uniform(-1, 1, (50, 3)))
    np.testing.assert_allclose(albedo.sum(axis=1), 1)  # all red, all blue, or some of both
