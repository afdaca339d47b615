"""Renders an image with all its labels."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from coterie_demo.scenes.edges import compute_occlusion_edges
from coterie_demo.scenes.embree import RayCaster
from coterie_demo.scenes.keypoints import detect_corners
from coterie_demo.scenes.manifest import CLASSES, SHAPES, SKY
from coterie_demo.scenes.raycast import cast_camera_rays
from coterie_demo.scenes.scene import Scene
from coterie_demo.scenes.shading import render_image
from coterie_demo.scenes.shape import Array, normalize_vectors

LIGHT_POSITION = np.array([0.0, 0.5, 0.0])
"""Position of the reshading's light in the camera's axes: right, up and back, in metres.

In the middle, so that a mirrored image has the mirrored label.
"""
CORNER_2D, CORNER_3D = 2e-4, 0.01
"""Eigenvalues that give a keypoint response of one half: of grey values, and of geometry."""
MIN_SUBJECT_FRACTION = 0.005
"""Smallest share of the pixels that the largest object of an image may have."""

Labels = Mapping[str, NDArray[np.generic]]


def render_with_labels(scene: Scene, size: int) -> Labels | None:
    """An image and its labels, or None if no object is large enough to be its subject.

    Arrays, all [size, size] unless said otherwise:
    - image [size, size, 3] uint8.
    - depth in metres along the optical axis; NaN in the sky.
    - normals [3, size, size], x right, y up, z to the viewer; NaN in the sky.
    - curvature [2, size, size] in 1/m, the larger first, positive where convex, exact for each
      shape and cut off at SHARPEST; NaN in the sky.
    - reshading, Lambert's law for a light at LIGHT_POSITION without texture or shadow, 0 to 255;
      0 in the sky.
    - classes, numbers in CLASSES.
    - edges, keypoints2d and keypoints3d, 0 to 255.
    - object [] and setting [], numbers in SHAPES and ENVIRONMENTS: of the object with the most
      pixels, and of the scene.
    """
    caster = RayCaster(
        [thing.mesh for thing in scene.objects], [thing.pose for thing in scene.objects]
    )
    seen = cast_camera_rays(scene, caster, size)
    square = (size, size)
    things = seen.hits.objects.reshape(square)
    largest = find_subject(scene, things)
    if largest is None:
        return None
    turn = scene.camera.pose.rotation
    normals = (seen.normals @ turn).reshape(*square, 3)
    rays = (seen.directions @ turn).reshape(*square, 3)
    depth = seen.hits.distances.reshape(square)
    image = render_image(scene, caster, size)
    sky = things < 0
    numbers = np.array([SKY, *(CLASSES.index(thing.kind) for thing in scene.objects)])
    return {
        "image": image,
        "depth": np.where(sky, np.nan, depth).astype(np.float16),
        "normals": normals.transpose(2, 0, 1).astype(np.float16),
        "curvature": seen.curvatures.reshape(*square, 2).transpose(2, 0, 1).astype(np.float16),
        "classes": numbers[things + 1].astype(np.uint8),
        "edges": compute_occlusion_edges(depth, things, normals, rays).astype(np.uint8)
        * np.uint8(255),
        "keypoints2d": to_uint8(detect_corners(image.mean(axis=-1)[None] / 255, CORNER_2D)),
        "keypoints3d": to_uint8(detect_corners(stack_geometry(depth, normals), CORNER_3D)),
        "reshading": to_uint8(compute_reshading(depth, normals, rays)),
        "object": np.array(SHAPES.index(scene.objects[largest].kind), np.uint8),
        "setting": np.array(scene.environment, np.uint8),
    }


def find_subject(scene: Scene, things: NDArray[np.int64]) -> int | None:
    """Number of the object with the most pixels, or None if it has too few."""
    pixels = np.bincount(things[things >= 0], minlength=len(scene.objects))
    objects = [pixels[i] if thing.kind in SHAPES else 0 for i, thing in enumerate(scene.objects)]
    largest = int(np.argmax(objects))
    return largest if objects[largest] >= MIN_SUBJECT_FRACTION * things.size else None


def stack_geometry(depth: Array, normals: Array) -> Array:
    """[4, height, breadth] normals, and nearness as a share of the nearest; 0 for sky."""
    nearness = depth.min() / depth
    return np.concatenate([np.nan_to_num(normals).transpose(2, 0, 1), nearness[None]])


def compute_reshading(depth: Array, normals: Array, rays: Array) -> Array:
    """[height, breadth] from 0 to 1: cosine between normal and direction of light; 0 for sky."""
    with np.errstate(invalid="ignore"):
        ways = normalize_vectors(LIGHT_POSITION - rays * depth[..., None])
    return np.nan_to_num(np.clip((normals * ways).sum(axis=-1), 0, 1))


def to_uint8(shares: Array) -> NDArray[np.uint8]:
    """Values from 0 to 1 as 0 to 255, rounded."""
    return (shares * 255 + 0.5).astype(np.uint8)
