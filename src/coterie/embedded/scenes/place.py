"""The ground that objects stand on, with what bounds it."""

from dataclasses import dataclass

import numpy as np

from coterie.embedded.scenes.colours import panel_paint
from coterie.embedded.scenes.flat import Panel
from coterie.embedded.scenes.paint import Paint
from coterie.embedded.scenes.pose import Pose
from coterie.embedded.scenes.settings import WIDE, Setting
from coterie.embedded.scenes.shape import Array
from coterie.embedded.scenes.thing import Thing

WALLS = ((0.0, -1.0), (1.0, 0.0), (-1.0, 0.0), (0.0, 1.0))
"""Which way walls face: the far one, left, right, and the near one, behind the camera."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A rectangle around the origin, in metres.

    Attributes:
        setting: what kind of place it is.
        breadth: along x.
        length: along y.
        height: of the walls.
    """

    setting: Setting
    breadth: float
    length: float
    height: float

    @classmethod
    def drawn(cls, rng: np.random.Generator, setting: Setting) -> "Place":
        """One of random size."""
        return cls(
            setting=setting,
            breadth=float(rng.uniform(*setting.breadth)),
            length=float(rng.uniform(*setting.length)),
            height=float(rng.uniform(*setting.height)),
        )

    def holds(self, spot: Array, reach: float) -> bool:
        """Whether something at `spot` [2] that reaches so far to all sides is within the walls."""
        x, y = np.abs(spot) + reach
        return bool(x < self.breadth / 2 and y < self.length / 2)

    def panels(self, rng: np.random.Generator) -> list[Thing]:
        """Floor, walls and ceiling, as far as it has them."""
        open_air = self.setting.daylight is not None
        if open_air:
            ground = panel_paint(rng, (0.06, 0.36), (0.1, 0.55), (0.45, 0.85), (0.4, 2.5))
            # Ground goes on behind the walls, as far as one sees over them.
            floor = Panel(breadth=WIDE[1], length=WIDE[1])
        else:
            ground = panel_paint(rng, (0.0, 1.0), (0.05, 0.5), (0.35, 0.9), (0.3, 1.6))
            floor = Panel(breadth=self.breadth, length=self.length)
        things = [panel("floor", floor, np.zeros(3), np.array([0.0, 0.0, 1.0]), ground)]
        paint = panel_paint(rng, (0.0, 1.0), (0.0, 0.45), (0.5, 0.98), (0.3, 1.6))
        things += [self.wall(facing, paint) for facing in WALLS[: self.setting.walls]]
        if not open_air:
            white = panel_paint(rng, (0.0, 1.0), (0.0, 0.12), (0.75, 0.98), (0.5, 2.0))
            above = np.array([0.0, 0.0, self.height])
            things.append(panel("ceiling", floor, above, np.array([0.0, 0.0, -1.0]), white))
        return things

    def wall(self, facing: tuple[float, float], paint: Paint) -> Thing:
        """The wall that faces this way, along x or y."""
        inward = np.array([*facing, 0.0])
        middle = -inward * [self.breadth / 2, self.length / 2, 0] + [0, 0, self.height / 2]
        across = self.breadth * abs(facing[1]) + self.length * abs(facing[0])
        return panel("wall", Panel(breadth=across, length=self.height), middle, inward, paint)


def panel(kind: str, shape: Panel, middle: Array, inward: Array, paint: Paint) -> Thing:
    """A panel whose seen side faces `inward`."""
    up = np.array([0.0, 1.0, 0.0]) if inward[2] else np.array([0.0, 0.0, 1.0])
    turn = np.stack([np.cross(up, inward), up, inward], axis=1)
    pose = Pose(place=middle, turn=turn)
    return Thing(kind=kind, shape=shape, mesh=shape.mesh(), pose=pose, paint=paint)
