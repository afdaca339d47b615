"""Shapes with curved surfaces around an axis or a point; their curvatures are exact."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from coterie_demo.scenes.shape import (
    SECTIONS,
    Array,
    Mesh,
    Shape,
    Surface,
    create_mesh,
    normalize_vectors,
    select_curved,
)

TILT = 0.99
"""How upright a triangle's normal must be to be one of a flat end."""


def drop_z(points: Array) -> Array:
    """The points without their z."""
    return points * [1.0, 1.0, 0.0]


def stack_curvatures(first: float | Array, second: float | Array, count: int) -> Array:
    """Two curvatures for each of `count` points."""
    return np.stack([np.broadcast_to(first, count), np.broadcast_to(second, count)], axis=1)


@final
@dataclass(frozen=True, kw_only=True)
class Cylinder(Shape):
    """Around the z axis, its middle at the origin."""

    name: ClassVar[str] = "cylinder"
    radius: float
    height: float

    @classmethod
    def sample(cls, rng: np.random.Generator, size: float) -> "Cylinder":
        radius, height = float(size * rng.uniform(0.3, 0.8)), float(size * rng.uniform(0.7, 1.8))
        return cls(radius=radius, height=height)

    def make_mesh(self) -> Mesh:
        return create_mesh("cylinder", radius=self.radius, height=self.height, sections=SECTIONS)

    def compute_surface(self, points: Array, facing: Array) -> Surface:
        exact = Surface(
            normalize_vectors(drop_z(points)), stack_curvatures(1 / self.radius, 0.0, len(points))
        )
        return select_curved(abs(facing[:, 2]) < TILT, facing, exact)


@final
@dataclass(frozen=True, kw_only=True)
class Cone(Shape):
    """Around the z axis, its base at z = 0, its tip upward."""

    name: ClassVar[str] = "cone"
    radius: float
    height: float

    @classmethod
    def sample(cls, rng: np.random.Generator, size: float) -> "Cone":
        radius, height = float(size * rng.uniform(0.5, 0.9)), float(size * rng.uniform(0.8, 1.8))
        return cls(radius=radius, height=height)

    def make_mesh(self) -> Mesh:
        return create_mesh("cone", radius=self.radius, height=self.height, sections=SECTIONS)

    def compute_surface(self, points: Array, facing: Array) -> Surface:
        slant = float(np.hypot(self.radius, self.height))
        normals = normalize_vectors(drop_z(points)) * self.height / slant + [
            0.0,
            0.0,
            self.radius / slant,
        ]
        around = self.height / slant / np.maximum(np.linalg.norm(drop_z(points), axis=1), 1e-9)
        exact = Surface(normals, stack_curvatures(around, 0.0, len(points)))
        return select_curved(facing[:, 2] > -TILT, facing, exact)


@final
@dataclass(frozen=True, kw_only=True)
class Torus(Shape):
    """A ring around the z axis; `ring` leads to the middle of the tube, whose radius is `tube`."""

    name: ClassVar[str] = "torus"
    ring: float
    tube: float

    @classmethod
    def sample(cls, rng: np.random.Generator, size: float) -> "Torus":
        ring = float(size * rng.uniform(0.6, 0.9))
        return cls(ring=ring, tube=float(ring * rng.uniform(0.22, 0.5)))

    def make_mesh(self) -> Mesh:
        return create_mesh(
            "torus",
            major_radius=self.ring,
            minor_radius=self.tube,
            major_sections=SECTIONS,
            minor_sections=SECTIONS // 2,
        )

    def compute_surface(self, points: Array, facing: Array) -> Surface:
        outward = normalize_vectors(drop_z(points))
        normals = normalize_vectors(points - self.ring * outward)
        leaning = (normals * outward).sum(axis=1)
        around = leaning / (self.ring + self.tube * leaning)
        return Surface(normals, stack_curvatures(1 / self.tube, around, len(points)))


@final
@dataclass(frozen=True, kw_only=True)
class Capsule(Shape):
    """A cylinder around the z axis, `length` long without the half spheres on its ends."""

    name: ClassVar[str] = "capsule"
    radius: float
    length: float

    @classmethod
    def sample(cls, rng: np.random.Generator, size: float) -> "Capsule":
        radius = float(size * rng.uniform(0.3, 0.55))
        return cls(radius=radius, length=float(size * rng.uniform(0.5, 1.2)))

    def make_mesh(self) -> Mesh:
        count = [SECTIONS, SECTIONS // 2]
        return create_mesh("capsule", radius=self.radius, height=self.length, count=count)

    def compute_surface(self, points: Array, facing: Array) -> Surface:
        middle = np.clip(points[:, 2:], -self.length / 2, self.length / 2) * [0.0, 0.0, 1.0]
        along = np.where(abs(points[:, 2]) > self.length / 2, 1 / self.radius, 0.0)
        return Surface(
            normalize_vectors(points - middle),
            stack_curvatures(1 / self.radius, along, len(points)),
        )
