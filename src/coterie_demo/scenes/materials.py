"""What surfaces are painted with: a solid texture of two colours, and how much it shines."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from coterie_demo.scenes.shape import Array


@dataclass(frozen=True, kw_only=True)
class Texture(ABC):
    """How much of the second colour there is, by the place in the shape's own axes.

    Attributes:
        period: metres after which it repeats.
        rotation: [3, 3] a rotation, so that patterns need not follow the shape's axes.
    """

    period: float
    rotation: NDArray[np.float64]

    @abstractmethod
    def compute_mix(self, points: Array) -> Array:
        """[points] from 0 to 1, at points [points, 3]."""


@final
@dataclass(frozen=True, kw_only=True)
class Plain(Texture):
    """The first colour alone."""

    def compute_mix(self, points: Array) -> Array:
        return np.zeros(len(points))


@final
@dataclass(frozen=True, kw_only=True)
class Checker(Texture):
    """Cubes of both colours in turn."""

    def compute_mix(self, points: Array) -> Array:
        # A half cube off, lest flat faces through the origin lie between two cubes.
        cells = np.floor(points @ self.rotation / self.period * 2 + 0.5)
        return cells.sum(axis=1) % 2


@final
@dataclass(frozen=True, kw_only=True)
class Stripes(Texture):
    """Layers of both colours in turn."""

    def compute_mix(self, points: Array) -> Array:
        return np.floor((points @ self.rotation)[:, 0] / self.period * 2) % 2


@final
@dataclass(frozen=True, kw_only=True)
class Noise(Texture):
    """Value noise of two octaves: random numbers on a grid, blended between its points."""

    def compute_mix(self, points: Array) -> Array:
        places = points @ self.rotation / self.period
        blotches = 0.65 * compute_value_noise(2 * places) + 0.35 * compute_value_noise(
            5 * places + 17.3
        )
        return np.clip(2.2 * blotches - 0.6, 0, 1)


TEXTURES: tuple[type[Texture], ...] = (Plain, Checker, Stripes, Noise)


@dataclass(frozen=True, kw_only=True)
class Material:
    """A texture in two colours.

    Attributes:
        texture: where which colour is.
        colours: [2, 3] linear RGB, 0 to 1.
        specular: strength of the highlight, 0 to 1.
    """

    texture: Texture
    colours: NDArray[np.float64]
    specular: float = 0.0

    def compute_albedo(self, points: Array) -> Array:
        """[points, 3] linear RGB at points of the shape's own axes."""
        share = self.texture.compute_mix(points)[:, None]
        return (1 - share) * self.colours[0] + share * self.colours[1]


def compute_value_noise(places: Array) -> Array:
    """[points] numbers from 0 to 1 that change smoothly over about one unit of `places`."""
    corner = np.floor(places).astype(np.int64)
    blend = places - corner
    blend = blend * blend * (3 - 2 * blend)
    total = np.zeros(len(places))
    for offset in np.ndindex(2, 2, 2):
        weight = np.where(offset, blend, 1 - blend).prod(axis=1)
        total += weight * hash_cells(corner + offset)
    return total


def hash_cells(cells: NDArray[np.int64]) -> Array:
    """[points] numbers from 0 to 1, as good as random, for whole numbers [points, 3]."""
    x, y, z = cells.astype(np.uint32).T
    mixed = x * np.uint32(73856093) ^ y * np.uint32(19349663) ^ z * np.uint32(83492791)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        mixed = (mixed ^ (mixed >> np.uint32(shift))) * np.uint32(factor)
    return (mixed ^ (mixed >> np.uint32(16))) / np.float64(2**32)
