"""The interface of shapes: a mesh that rays are cast at, and its exact surface."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from coterie.optional_imports import import_optional

Array = NDArray[np.float64]
SECTIONS = 128
"""Sides of the mesh of a round shape: it lies at most r (1 - cos(pi / 128)) = 0.0003 r inside."""
SHARPEST = 100.0
"""The largest curvature that is written, in 1/m: at the tip of a cone it has no bound."""


@dataclass(frozen=True)
class Mesh:
    """Triangles: float64 corners [corners, 3] in metres and int64 faces [faces, 3]."""

    corners: Array
    faces: NDArray[np.int64]


@dataclass(frozen=True)
class Surface:
    """The surface at some points.

    Attributes:
        normals: [points, 3], outward, of length 1.
        curvatures: [points, 2], the principal curvatures in 1/m, the larger first; positive where
            the shape is convex.
    """

    normals: Array
    curvatures: Array


class Shape(ABC):
    """A solid in its own axes, z upward, in metres. Kinds are frozen keyword-only dataclasses."""

    name: ClassVar[str]
    ranges: ClassVar[Mapping[str, tuple[float, float]]]
    """Field -> least and largest multiple of `size` that `sample` gives it."""

    @classmethod
    def sample(cls, rng: np.random.Generator, size: float) -> Self:
        """One of random proportions, about `size` metres from its middle to its farthest point."""
        return cls(**{key: float(size * rng.uniform(*ends)) for key, ends in cls.ranges.items()})

    @abstractmethod
    def make_mesh(self) -> Mesh:
        """Triangles that enclose it, seen counter-clockwise from outside."""

    def compute_surface(self, points: Array, facing: Array) -> Surface:
        """The exact surface next to points of the mesh; flat by default.

        Args:
            points: [points, 3] on the mesh.
            facing: [points, 3] normals, of length 1, of the triangles they lie on.
        """
        return Surface(facing, np.zeros((len(points), 2)))


def create_mesh(name: str, **choices: object) -> Mesh:
    """A mesh of trimesh.creation."""
    mesh = getattr(import_optional("trimesh.creation", "scenes"), name)(**choices)
    return Mesh(np.array(mesh.vertices, np.float64), np.array(mesh.faces, np.int64))


def normalize_vectors(vectors: Array) -> Array:
    """The vectors [..., 3], normalised to length 1."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def select_curved(is_round: NDArray[np.bool_], facing: Array, exact: Surface) -> Surface:
    """`exact` where the surface is round, else flat as the triangles are."""
    chosen = is_round[:, None]
    curvatures = np.clip(np.where(chosen, exact.curvatures, 0.0), -SHARPEST, SHARPEST)
    return Surface(np.where(chosen, exact.normals, facing), curvatures)
