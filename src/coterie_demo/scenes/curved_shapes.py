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
class Capsule(Shape):
    """A cylinder around the z axis, `length` long without the half spheres on its ends."""

    ranges: ClassVar = {"radius": (0.3, 0.55), "length": (0.5, 1.2)}
    name: ClassVar[str] = "capsule"
    radius: float
    length: float

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


@final
@dataclass(frozen=True, kw_only=True)
class Cone(Shape):
    """Around the z axis, its base at z = 0, its tip upward."""

    ranges: ClassVar = {"radius": (0.5, 0.9), "height": (0.8, 1.8)}
    name: ClassVar[str] = "cone"
    radius: float
    height: float

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
class Cylinder(Shape):
    """Around the z axis, its middle at the origin."""

    ranges: ClassVar = {"radius": (0.3, 0.8), "height": (0.7, 1.8)}
    name: ClassVar[str] = "cylinder"
    radius: float
    height: float

    def make_mesh(self) -> Mesh:
        return create_mesh("cylinder", radius=self.radius, height=self.height, sections=SECTIONS)

    def compute_surface(self, points: Array, facing: Array) -> Surface:
        exact = Surface(
            normalize_vectors(drop_z(points)), stack_curvatures(1 / self.radius, 0.0, len(points))
        )
        return select_curved(abs(facing[:, 2]) < TILT, facing, exact)


@final
@dataclass(frozen=True, kw_only=True)
class Dome(Shape):
    """Half a sphere, its flat side at z = 0."""

    ranges: ClassVar = {"radius": (0.7, 1.1)}
    name: ClassVar[str] = "dome"
    radius: float

    def make_mesh(self) -> Mesh:
        angles = np.linspace(0, np.pi / 2, SECTIONS // 4 + 1)
        arc = self.radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        arc[-1, 0] = 0.0  # cos(pi / 2) is not quite 0, and the mesh would have a hole
        return create_mesh("revolve", linestring=np.vstack([[[0.0, 0.0]], arc]), sections=SECTIONS)

    def compute_surface(self, points: Array, facing: Array) -> Surface:
        exact = Surface(
            normalize_vectors(points),
            stack_curvatures(1 / self.radius, 1 / self.radius, len(points)),
        )
        return select_curved(facing[:, 2] > -TILT, facing, exact)


@final
@dataclass(frozen=True, kw_only=True)
class Ellipsoid(Shape):
    """Around the origin, with these radii along x, y and z."""

    name: ClassVar[str] = "ellipsoid"
    radii: tuple[float, float, float]

    @classmethod
    def sample(cls, rng: np.random.Generator, size: float) -> "Ellipsoid":
        long = float(rng.uniform(0.9, 1.1))
        middle, short = long * rng.uniform(0.45, 0.75), long * rng.uniform(0.35, 0.6)
        return cls(radii=(size * long, float(size * middle), float(size * short)))

    def make_mesh(self) -> Mesh:
        ball = create_mesh("icosphere", subdivisions=4, radius=1.0)
        return Mesh(ball.corners * self.radii, ball.faces)

    def compute_surface(self, points: Array, facing: Array) -> Surface:
        """Curvatures of the implicit surface sum((p / r)^2) = 1, by its gradient g and Hessian H.

        Source: Goldman, Curvature formulas for implicit curves and surfaces (2005), section 4:
        K = g adj(H) g / |g|^4 and M = (|g|^2 tr(H) - g H g) / (2 |g|^3), positive where convex.
        """
        hessian = 2 / np.square(self.radii)
        gradient = points * hessian
        length = np.linalg.norm(gradient, axis=1)
        adjugate = hessian.prod() / hessian
        gauss = (np.square(gradient) * adjugate).sum(axis=1) / length**4
        bent = (np.square(gradient) * hessian).sum(axis=1)
        mean = (length**2 * hessian.sum() - bent) / (2 * length**3)
        spread = np.sqrt(np.maximum(mean**2 - gauss, 0))
        return Surface(
            normalize_vectors(gradient), stack_curvatures(mean + spread, mean - spread, len(points))
        )


@final
@dataclass(frozen=True, kw_only=True)
class Sphere(Shape):
    """Around the origin."""

    ranges: ClassVar = {"radius": (0.6, 1.0)}
    name: ClassVar[str] = "sphere"
    radius: float

    def make_mesh(self) -> Mesh:
        return create_mesh("icosphere", subdivisions=4, radius=self.radius)

    def compute_surface(self, points: Array, facing: Array) -> Surface:
        return Surface(
            normalize_vectors(points),
            stack_curvatures(1 / self.radius, 1 / self.radius, len(points)),
        )


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
