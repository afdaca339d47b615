"""All that is known of a picture."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from coterie.embedded.scenes.cast import Caster
from coterie.embedded.scenes.edges import occlusion_edges
from coterie.embedded.scenes.keypoints import corners
from coterie.embedded.scenes.kinds import CLASSES, SHAPES, SKY
from coterie.embedded.scenes.scene import Scene
from coterie.embedded.scenes.seen import look
from coterie.embedded.scenes.shade import photograph
from coterie.embedded.scenes.shape import Array, unit

LAMP = np.array([0.0, 0.5, 0.0])
"""Where the light of the reshading stands, in the camera's axes: right, up and back, in metres.

Neither left nor right, so that a mirrored picture has the mirrored label.
"""
CORNER_2D, CORNER_3D = 2e-4, 0.01
"""Eigenvalues of keypoints that are answered by one half: of grey values, and of geometry."""
SMALLEST = 0.005
"""Share of the picture that its largest object has at least."""

Labels = Mapping[str, NDArray[np.generic]]


def picture(scene: Scene, size: int) -> Labels | None:
    """A picture and its labels, or None where no object is large enough to be its subject.

    image [size, size, 3] uint8; depth [size, size] metres along the optical axis; normals
    [3, size, size] x right, y up, z to the viewer; curvature [2, size, size] in 1/m, the larger
    first, positive where convex, exact for each shape and cut off at SHARPEST; reshading [size,
    size] Lambert's law under LAMP without texture or shadow, 0 to 255. These are NaN, reshading 0,
    where `classes` [size, size] says sky. edges, keypoints2d, keypoints3d [size, size], of 255;
    object and setting, numbers in SHAPES and SETTINGS: that of the object with the most pixels, and
    what the scene was drawn as.
    """
    caster = Caster([thing.mesh for thing in scene.things], [thing.pose for thing in scene.things])
    seen = look(scene, caster, size)
    square = (size, size)
    things = seen.hits.things.reshape(square)
    largest = subject(scene, things)
    if largest is None:
        return None
    turn = scene.camera.pose.turn
    normals = (seen.normals @ turn).reshape(*square, 3)
    rays = (seen.directions @ turn).reshape(*square, 3)
    depth = seen.hits.lengths.reshape(square)
    image = photograph(scene, caster, size)
    sky = things < 0
    numbers = np.array([SKY, *(CLASSES.index(thing.kind) for thing in scene.things)])
    return {
        "image": image,
        "depth": np.where(sky, np.nan, depth).astype(np.float16),
        "normals": normals.transpose(2, 0, 1).astype(np.float16),
        "curvature": seen.curvatures.reshape(*square, 2).transpose(2, 0, 1).astype(np.float16),
        "classes": numbers[things + 1].astype(np.uint8),
        "edges": occlusion_edges(depth, things, normals, rays).astype(np.uint8) * np.uint8(255),
        "keypoints2d": bytes_of(corners(image.mean(axis=-1)[None] / 255, CORNER_2D)),
        "keypoints3d": bytes_of(corners(geometry(depth, normals), CORNER_3D)),
        "reshading": bytes_of(reshaded(depth, normals, rays)),
        "object": np.array(SHAPES.index(scene.things[largest].kind), np.uint8),
        "setting": np.array(scene.setting, np.uint8),
    }


def subject(scene: Scene, things: NDArray[np.int64]) -> int | None:
    """Number of the object with the most pixels, if it has SMALLEST of the picture."""
    pixels = np.bincount(things[things >= 0], minlength=len(scene.things))
    objects = [pixels[i] if thing.kind in SHAPES else 0 for i, thing in enumerate(scene.things)]
    largest = int(np.argmax(objects))
    return largest if objects[largest] >= SMALLEST * things.size else None


def geometry(depth: Array, normals: Array) -> Array:
    """[4, height, breadth] normals, and nearness as a share of the nearest; 0 for sky."""
    nearness = depth.min() / depth
    return np.concatenate([np.nan_to_num(normals).transpose(2, 0, 1), nearness[None]])


def reshaded(depth: Array, normals: Array, rays: Array) -> Array:
    """[height, breadth] from 0 to 1: cosine between the normal and the way to LAMP; 0 for sky."""
    with np.errstate(invalid="ignore"):
        ways = unit(LAMP - rays * depth[..., None])
    return np.nan_to_num(np.clip((normals * ways).sum(axis=-1), 0, 1))


def bytes_of(shares: Array) -> NDArray[np.uint8]:
    """0 to 1 as 0 to 255."""
    return (shares * 255 + 0.5).astype(np.uint8)
