"""Environments of scenes: their size, walls and light."""

from dataclasses import dataclass, replace

import numpy as np

from coterie_demo.scenes.light import AmbientLight, DirectionalLight, Light, PointLight

Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Daylight:
    """A sun and a sky: linear RGB, and the sun's elevation in degrees."""

    height: Range
    sun: tuple[float, float, float]
    above: tuple[float, float, float]
    zenith: tuple[float, float, float]
    horizon: tuple[float, float, float]


DAY = Daylight(
    height=(28.0, 70.0),
    sun=(1.0, 0.94, 0.82),
    above=(0.40, 0.46, 0.56),
    zenith=(0.10, 0.25, 0.65),
    horizon=(0.60, 0.72, 0.85),
)
DUSK = Daylight(
    height=(7.0, 18.0),
    sun=(1.3, 0.66, 0.30),
    above=(0.34, 0.30, 0.42),
    zenith=(0.04, 0.06, 0.20),
    horizon=(0.75, 0.36, 0.18),
)


@dataclass(frozen=True, kw_only=True)
class Environment:
    """A kind of environment; ranges are in metres and sampled uniformly.

    Attributes:
        name: the scene class.
        breadth: from the left to the right wall.
        length: from the near to the far wall.
        height: of the walls.
        daylight: the sky above it, or None where a ceiling and a lamp are.
        walls: their number: 4, or 3 without the near one, or none.
        camera_height: of the camera.
        sizes: of objects, from the middle to the farthest point, about.
        reach: largest distance of objects.
        max_yaw_degrees: largest angle of the camera to the long axis.
    """

    name: str
    breadth: Range
    length: Range
    height: Range
    daylight: Daylight | None = None
    walls: int = 4
    camera_height: Range = (0.7, 2.0)
    sizes: Range = (0.2, 0.55)
    reach: float = 6.0
    max_yaw_degrees: float = 35.0

    def sample_lighting(
        self, rng: np.random.Generator, breadth: float, length: float, height: float
    ) -> tuple[Light, AmbientLight]:
        """Its light, and what comes from around, in a place of these metres."""
        if self.daylight is None:
            return sample_indoor_light(rng, breadth, length, height)
        return sample_outdoor_light(rng, self.daylight)


def sample_indoor_light(
    rng: np.random.Generator, breadth: float, length: float, height: float
) -> tuple[Light, AmbientLight]:
    """A lamp below the ceiling, warm or cool."""
    warmth = rng.uniform(-0.12, 0.12)
    tint = np.array([1 + warmth, 1.0, 1 - warmth])
    place = np.array([breadth, length, height]) * rng.uniform([-0.3, -0.3, 0.8], [0.3, 0.2, 0.95])
    lamp = PointLight(
        position=place, colour=tint * rng.uniform(0.40, 0.60), reach=max(2.5, 0.4 * float(length))
    )
    around = tint * rng.uniform(0.20, 0.34)
    return lamp, AmbientLight(above=around, below=0.7 * around, zenith=around, horizon=around)


def sample_outdoor_light(
    rng: np.random.Generator, daylight: Daylight
) -> tuple[Light, AmbientLight]:
    """A sun in any direction."""
    height, side = np.radians(rng.uniform(*daylight.height)), rng.uniform(0, 2 * np.pi)
    toward = np.array(
        [np.cos(height) * np.cos(side), np.cos(height) * np.sin(side), np.sin(height)]
    )
    haze = rng.uniform(0.7, 1.1)
    above = np.array(daylight.above) * rng.uniform(0.8, 1.1)
    return DirectionalLight(
        direction=toward, colour=np.array(daylight.sun) * rng.uniform(0.75, 1.0)
    ), AmbientLight(
        above=above,
        below=0.45 * above,
        zenith=np.array(daylight.zenith) * haze,
        horizon=np.array(daylight.horizon) * haze,
    )


WIDE: Range = (110.0, 120.0)
FIELD = Environment(
    name="field by day",
    breadth=WIDE,
    length=WIDE,
    height=(0.0, 0.0),
    daylight=DAY,
    walls=0,
    camera_height=(0.6, 3.0),
    sizes=(0.25, 1.0),
    reach=10.0,
)
ENVIRONMENTS: tuple[Environment, ...] = (
    Environment(name="room", breadth=(3.0, 6.0), length=(3.5, 6.5), height=(2.3, 3.2)),
    Environment(
        name="hall",
        breadth=(9.0, 16.0),
        length=(10.0, 20.0),
        height=(4.0, 7.0),
        camera_height=(1.0, 3.2),
        sizes=(0.35, 1.0),
        reach=11.0,
    ),
    Environment(
        name="corridor",
        breadth=(1.9, 2.9),
        length=(8.0, 20.0),
        height=(2.2, 2.9),
        sizes=(0.15, 0.4),
        reach=8.0,
        max_yaw_degrees=10.0,
    ),
    Environment(
        name="yard",
        breadth=(5.0, 12.0),
        length=(6.0, 13.0),
        height=(0.9, 2.6),
        daylight=DAY,
        walls=3,
        sizes=(0.25, 0.7),
        reach=8.0,
    ),
    FIELD,
    replace(FIELD, name="field by dusk", daylight=DUSK),
)
"""The scene classes, in the order of `coterie_demo.scenes.manifest.ENVIRONMENTS`."""
