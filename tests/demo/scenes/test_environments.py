"""Environments: their light, and the two fields, which differ by daylight alone."""

from dataclasses import replace

import numpy as np

from coterie_demo.scenes.environments import DUSK, ENVIRONMENTS
from coterie_demo.scenes.light import DirectionalLight, PointLight

BY_NAME = {environment.name: environment for environment in ENVIRONMENTS}


def test_the_fields_differ_by_daylight_alone() -> None:
    day, dusk = BY_NAME["field by day"], BY_NAME["field by dusk"]
    assert replace(day, name="field by dusk", daylight=DUSK) == dusk


def test_a_room_has_a_lamp_below_its_ceiling() -> None:
    lamp, around = BY_NAME["room"].sample_lighting(np.random.default_rng(0), 4.0, 5.0, 3.0)
    assert isinstance(lamp, PointLight) and 0.8 * 3 <= lamp.position[2] <= 0.95 * 3
    assert lamp.reach == 2.5  # 0.4 of 5 m is less
    np.testing.assert_allclose(around.below, 0.7 * around.above)


def test_a_yard_has_a_sun_as_high_as_its_daylight_says() -> None:
    sun, _ = BY_NAME["yard"].sample_lighting(np.random.default_rng(0), 9.0, 9.0, 2.0)
    assert isinstance(sun, DirectionalLight)
    assert 28 <= np.degrees(np.arcsin(sun.direction[2])) <= 70
    np.testing.assert_allclose(np.linalg.norm(sun.direction), 1)
