"""The ground that objects stand on, with what bounds it."""

from dataclasses import dataclass

import numpy as np

from coterie_demo.scenes.colours import sample_surface_material
from coterie_demo.scenes.environments import WIDE, Environment
from coterie_demo.scenes.flat_shapes import Rectangle
from coterie_demo.scenes.materials import Material
from coterie_demo.scenes.object import SceneObject
from coterie_demo.scenes.pose import Pose
from coterie_demo.scenes.shape import Array

WALLS = ((0.0, -1.0), (1.0, 0.0), (-1.0, 0.0), (0.0, 1.0))
"""Which way walls face: the far one, left, right, and the near one, behind the camera."""


@dataclass(frozen=True, kw_only=True)
class Ground:
    """A rectangle around the origin, in metres.

    Attributes:
        setting: what kind of place it is.
        breadth: along x.
        length: along y.
        height: of the walls.
    """

    environment: Environment
    breadth: float
    length: float
    height: float

    @classmethod
    def sample(cls, rng: np.random.Generator, environment: Environment) -> "Ground":
        """One of random size."""
        return cls(
            environment=environment,
            breadth=float(rng.uniform(*environment.breadth)),
            length=float(rng.uniform(*environment.length)),
            height=float(rng.uniform(*environment.height)),
        )

    def contains(self, spot: Array, reach: float) -> bool:
        """Whether something at `spot` [2] that reaches so far to all sides is within the walls."""
        x, y = np.abs(spot) + reach
        return bool(x < self.breadth / 2 and y < self.length / 2)

    def make_surfaces(self, rng: np.random.Generator) -> list[SceneObject]:
        """Floor, walls and ceiling, as far as it has them."""
        open_air = self.environment.daylight is not None
        if open_air:
            ground = sample_surface_material(
                rng, (0.06, 0.36), (0.1, 0.55), (0.45, 0.85), (0.4, 2.5)
            )
            # Ground goes on behind the walls, as far as one sees over them.
            floor = Rectangle(breadth=WIDE[1], length=WIDE[1])
        else:
            ground = sample_surface_material(rng, (0.0, 1.0), (0.05, 0.5), (0.35, 0.9), (0.3, 1.6))
            floor = Rectangle(breadth=self.breadth, length=self.length)
        things = [make_surface("floor", floor, np.zeros(3), np.array([0.0, 0.0, 1.0]), ground)]
        paint = sample_surface_material(rng, (0.0, 1.0), (0.0, 0.45), (0.5, 0.98), (0.3, 1.6))
        things += [self.make_wall(facing, paint) for facing in WALLS[: self.environment.walls]]
        if not open_air:
            white = sample_surface_material(rng, (0.0, 1.0), (0.0, 0.12), (0.75, 0.98), (0.5, 2.0))
            above = np.array([0.0, 0.0, self.height])
            things.append(make_surface("ceiling", floor, above, np.array([0.0, 0.0, -1.0]), white))
        return things

    def make_wall(self, facing: tuple[float, float], paint: Material) -> SceneObject:
        """The wall that faces this way, along x or y."""
        inward = np.array([*facing, 0.0])
        middle = -inward * [self.breadth / 2, self.length / 2, 0] + [0, 0, self.height / 2]
        across = self.breadth * abs(facing[1]) + self.length * abs(facing[0])
        return make_surface(
            "wall", Rectangle(breadth=across, length=self.height), middle, inward, paint
        )


def make_surface(
    kind: str, shape: Rectangle, middle: Array, inward: Array, paint: Material
) -> SceneObject:
    """A panel whose seen side faces `inward`."""
    up = np.array([0.0, 1.0, 0.0]) if inward[2] else np.array([0.0, 0.0, 1.0])
    turn = np.stack([np.cross(up, inward), up, inward], axis=1)
    pose = Pose(position=middle, rotation=turn)
    return SceneObject(kind=kind, shape=shape, mesh=shape.make_mesh(), pose=pose, material=paint)
