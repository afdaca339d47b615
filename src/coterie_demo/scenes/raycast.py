"""What the camera's rays meet: surfaces, not yet light or labels."""

from dataclasses import dataclass

import numpy as np

from coterie_demo.scenes.embree import RayCaster, RayHits
from coterie_demo.scenes.scene import Scene
from coterie_demo.scenes.shape import Array


@dataclass(frozen=True, kw_only=True)
class SurfaceHits:
    """Surfaces along rays, in the scene's axes; NaN where there is only sky.

    Attributes:
        hits: what was met, and how deep.
        directions: [rays, 3] the rays.
        points: [rays, 3] where they end, in metres.
        normals: [rays, 3] of length 1.
        curvatures: [rays, 2] in 1/m.
    """

    hits: RayHits
    directions: Array
    points: Array
    normals: Array
    curvatures: Array


def cast_camera_rays(scene: Scene, ray_caster: RayCaster, size: int) -> SurfaceHits:
    """The surfaces at the pixel centres of an image of `size` x `size` pixels, row by row."""
    start, directions = scene.camera.pose.position, scene.camera.compute_rays(size)
    hits = ray_caster.cast(start, directions)
    met = hits.objects >= 0
    points = np.full(directions.shape, np.nan)
    points[met] = start + directions[met] * hits.distances[met, None]
    normals, curvatures = np.full(directions.shape, np.nan), np.full((len(directions), 2), np.nan)
    for number in np.unique(hits.objects[met]):
        thing, here = scene.objects[number], hits.objects == number
        turn = thing.pose.rotation
        surface = thing.shape.compute_surface(
            thing.pose.to_local(points[here]), hits.facing[here] @ turn
        )
        normals[here] = surface.normals @ turn.T
        curvatures[here] = surface.curvatures
    return SurfaceHits(
        hits=hits, directions=directions, points=points, normals=normals, curvatures=curvatures
    )
