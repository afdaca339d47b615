"""Where light comes from: one lamp or sun, and what the surroundings send back."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np

from coterie_demo.scenes.shape import Array

FAR = 500.0
"""Metres to a sun: beyond all of a scene."""


class Light(ABC):
    """Light that throws shadows. Kinds are frozen keyword-only dataclasses."""

    @abstractmethod
    def compute_offsets(self, points: Array) -> Array:
        """[points, 3] from the points to the light, in metres."""

    @abstractmethod
    def compute_radiance(self, ways: Array) -> Array:
        """[points, 3] linear RGB that arrives, for surfaces that face the light."""


@final
@dataclass(frozen=True, kw_only=True)
class PointLight(Light):
    """A point: `colour` [3] arrives at `reach` metres, and it fades with distance."""

    position: Array
    colour: Array
    reach: float

    def compute_offsets(self, points: Array) -> Array:
        return self.position - points

    def compute_radiance(self, ways: Array) -> Array:
        # Softer than 1 / d^2, as light in a room, which walls send back, is.
        distance = np.linalg.norm(ways, axis=1, keepdims=True)
        return self.colour * 2 / (1 + (distance / self.reach) ** 2)


@final
@dataclass(frozen=True, kw_only=True)
class DirectionalLight(Light):
    """So far away that its rays are parallel: `compute_directions` [3] of length 1 leads to it."""

    direction: Array
    colour: Array

    def compute_offsets(self, points: Array) -> Array:
        return np.broadcast_to(self.direction * FAR, points.shape)

    def compute_radiance(self, ways: Array) -> Array:
        return np.broadcast_to(self.colour, ways.shape)


@dataclass(frozen=True, kw_only=True)
class AmbientLight:
    """Light without shadows, and the sky, all linear RGB [3].

    Attributes:
        above: what surfaces that face upward get; those that face aside get half of both.
        below: what surfaces that face downward get.
        zenith: the sky overhead.
        horizon: the sky where it meets the ground.
    """

    above: Array
    below: Array
    zenith: Array
    horizon: Array

    def compute_ambient(self, normals: Array) -> Array:
        """[points, 3] linear RGB that arrives."""
        upward = (normals[:, 2:] + 1) / 2
        return upward * self.above + (1 - upward) * self.below

    def compute_sky(self, directions: Array) -> Array:
        """[rays, 3] linear RGB of the sky along directions of length 1."""
        height = np.sqrt(np.clip(directions[:, 2:], 0, 1))
        return height * self.zenith + (1 - height) * self.horizon
