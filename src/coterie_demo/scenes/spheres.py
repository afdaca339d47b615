"""Spheres, domes and ellipsoids."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from coterie_demo.scenes.curved_shapes import TILT, stack_curvatures
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


@final
@dataclass(frozen=True, kw_only=True)
class Sphere(Shape):
    """Around the origin."""

    name: ClassVar[str] = "sphere"
    radius: float

    @classmethod
    def sample(cls, rng: np.random.Generator, size: float) -> "Sphere":
        return cls(radius=float(size * rng.uniform(0.6, 1.0)))

    def make_mesh(self) -> Mesh:
        return create_mesh("icosphere", subdivisions=4, radius=self.radius)

    def compute_surface(self, points: Array, facing: Array) -> Surface:
        return Surface(
            normalize_vectors(points),
            stack_curvatures(1 / self.radius, 1 / self.radius, len(points)),
        )


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
class Dome(Shape):
    """Half a sphere, its flat side at z = 0."""

    name: ClassVar[str] = "dome"
    radius: float

    @classmethod
    def sample(cls, rng: np.random.Generator, size: float) -> "Dome":
        return cls(radius=float(size * rng.uniform(0.7, 1.1)))

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
