"""Renders the image: diffuse and specular surfaces under one light with shadows."""

import numpy as np
from numpy.typing import NDArray

from coterie_demo.scenes.embree import RayCaster
from coterie_demo.scenes.raycast import SurfaceHits, cast_camera_rays
from coterie_demo.scenes.scene import Scene
from coterie_demo.scenes.shape import Array, normalize_vectors

SAMPLES = 2
"""Rays through each pixel, along each side."""
LIFT = 3e-3
"""Offset in metres of shadow rays from the surface, as meshes are a little inside it."""
GLOSS = 40.0
"""Exponent of the highlight."""


def render_image(scene: Scene, ray_caster: RayCaster, size: int) -> NDArray[np.uint8]:
    """[size, size, 3] sRGB."""
    radiance = np.clip(
        compute_radiance(scene, ray_caster, cast_camera_rays(scene, ray_caster, SAMPLES * size)),
        0,
        1,
    )
    mean = radiance.reshape(size, SAMPLES, size, SAMPLES, 3).mean(axis=(1, 3))
    return (linear_to_srgb(mean) * 255 + 0.5).astype(np.uint8)


def compute_radiance(scene: Scene, ray_caster: RayCaster, seen: SurfaceHits) -> Array:
    """[rays, 3] linear RGB: Lambert's law, and Blinn's highlight where a surface shines."""
    met = seen.hits.objects >= 0
    directions = normalize_vectors(seen.directions)
    colours = scene.ambient_light.compute_sky(directions)
    points, normals = seen.points[met], seen.normals[met]
    ways = scene.light.compute_offsets(points)
    toward = normalize_vectors(ways)
    facing = np.clip((normals * toward).sum(axis=1), 0, None)
    lit = facing > 0
    starts = points + LIFT * normals
    lit[lit] = ~ray_caster.is_occluded(starts[lit], (ways - LIFT * normals)[lit])
    arriving = scene.light.compute_radiance(ways) * (facing * lit)[:, None]
    albedo, shine = get_materials(scene, seen.hits.objects[met], points)
    halfway = normalize_vectors(toward - directions[met])
    highlight = shine * lit * np.clip((normals * halfway).sum(axis=1), 0, None) ** GLOSS
    colours[met] = albedo * (scene.ambient_light.compute_ambient(normals) + arriving)
    colours[met] += highlight[:, None] * scene.light.compute_radiance(ways)
    return colours


def get_materials(scene: Scene, things: NDArray[np.int64], points: Array) -> tuple[Array, Array]:
    """[points, 3] linear colours and [points] shine, at points of the things of these numbers."""
    albedo, shine = np.zeros(points.shape), np.zeros(len(points))
    for number in np.unique(things):
        thing, here = scene.objects[number], things == number
        albedo[here] = thing.material.compute_albedo(thing.pose.to_local(points[here]))
        shine[here] = thing.material.specular
    return albedo, shine


def linear_to_srgb(linear: Array) -> Array:
    """As screens show it, IEC 61966-2-1; 0 to 1."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
