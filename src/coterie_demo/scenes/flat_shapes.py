"""Shapes with flat faces alone."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from coterie_demo.scenes.shape import Mesh, Shape, create_mesh


@final
@dataclass(frozen=True, kw_only=True)
class Box(Shape):
    """A cuboid around the origin, of these lengths along x, y and z."""

    name: ClassVar[str] = "box"
    sides: tuple[float, float, float]

    @classmethod
    def sample(cls, rng: np.random.Generator, size: float) -> "Box":
        x, y, z = size * rng.uniform(0.7, 1.6, 3)
        return cls(sides=(float(x), float(y), float(z)))

    def make_mesh(self) -> Mesh:
        return create_mesh("box", extents=self.sides)


@final
@dataclass(frozen=True, kw_only=True)
class Prism(Shape):
    """A column around the z axis whose base has three, five or six equal sides."""

    name: ClassVar[str] = "prism"
    radius: float
    height: float
    corners: int

    @classmethod
    def sample(cls, rng: np.random.Generator, size: float) -> "Prism":
        radius, height = float(size * rng.uniform(0.5, 0.8)), float(size * rng.uniform(0.8, 1.7))
        return cls(radius=radius, height=height, corners=int(rng.choice([3, 5, 6])))

    def make_mesh(self) -> Mesh:
        return create_mesh(
            "cylinder", radius=self.radius, height=self.height, sections=self.corners
        )


@final
@dataclass(frozen=True, kw_only=True)
class Pyramid(Shape):
    """A square pyramid whose base, of this radius from middle to corner, lies at z = 0."""

    ranges: ClassVar = {"radius": (0.7, 1.1), "height": (0.8, 1.6)}
    name: ClassVar[str] = "pyramid"
    radius: float
    height: float

    def make_mesh(self) -> Mesh:
        return create_mesh("cone", radius=self.radius, height=self.height, sections=4)


@final
@dataclass(frozen=True, kw_only=True)
class Rectangle(Shape):
    """A rectangle around the origin, seen from above alone: what floors and walls are."""

    ranges: ClassVar = {"breadth": (0.5, 1.0), "length": (0.5, 1.0)}
    name: ClassVar[str] = "panel"
    breadth: float
    length: float

    def make_mesh(self) -> Mesh:
        x, y = self.breadth / 2, self.length / 2
        corners = np.array([[-x, -y, 0], [x, -y, 0], [x, y, 0], [-x, y, 0]], np.float64)
        return Mesh(corners, np.array([[0, 1, 2], [0, 2, 3]], np.int64))
