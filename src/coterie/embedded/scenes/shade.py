"""The picture: diffuse and shining surfaces under one light with shadows."""

import numpy as np
from numpy.typing import NDArray

from coterie.embedded.scenes.cast import Caster
from coterie.embedded.scenes.scene import Scene
from coterie.embedded.scenes.seen import Seen, look
from coterie.embedded.scenes.shape import Array, unit

SAMPLES = 2
"""Rays through each pixel, along each side."""
LIFT = 3e-3
"""Metres off the surface where ways to the light begin: the meshes lie a little inside it."""
GLOSS = 40.0
"""Exponent of the highlight."""


def photograph(scene: Scene, caster: Caster, size: int) -> NDArray[np.uint8]:
    """[size, size, 3] sRGB."""
    radiance = np.clip(radiances(scene, caster, look(scene, caster, SAMPLES * size)), 0, 1)
    mean = radiance.reshape(size, SAMPLES, size, SAMPLES, 3).mean(axis=(1, 3))
    return (srgb(mean) * 255 + 0.5).astype(np.uint8)


def radiances(scene: Scene, caster: Caster, seen: Seen) -> Array:
    """[rays, 3] linear RGB: Lambert's law, and Blinn's highlight where a surface shines."""
    met = seen.hits.things >= 0
    directions = unit(seen.directions)
    colours = scene.surrounding.sky(directions)
    points, normals = seen.points[met], seen.normals[met]
    ways = scene.light.ways(points)
    toward = unit(ways)
    facing = np.clip((normals * toward).sum(axis=1), 0, None)
    lit = facing > 0
    starts = points + LIFT * normals
    lit[lit] = ~caster.between(starts[lit], (ways - LIFT * normals)[lit])
    arriving = scene.light.power(ways) * (facing * lit)[:, None]
    albedo, shine = painted(scene, seen.hits.things[met], points)
    halfway = unit(toward - directions[met])
    highlight = shine * lit * np.clip((normals * halfway).sum(axis=1), 0, None) ** GLOSS
    colours[met] = albedo * (scene.surrounding.ambient(normals) + arriving)
    colours[met] += highlight[:, None] * scene.light.power(ways)
    return colours


def painted(scene: Scene, things: NDArray[np.int64], points: Array) -> tuple[Array, Array]:
    """[points, 3] linear colours and [points] shine, at points of the things of these numbers."""
    albedo, shine = np.zeros(points.shape), np.zeros(len(points))
    for number in np.unique(things):
        thing, here = scene.things[number], things == number
        albedo[here] = thing.paint.albedo(thing.pose.inward(points[here]))
        shine[here] = thing.paint.shine
    return albedo, shine


def srgb(linear: Array) -> Array:
    """As screens show it, IEC 61966-2-1; 0 to 1."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
