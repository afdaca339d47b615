"""Rays cast at a scene by Embree: what they meet first, and whether anything is in between."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coterie.optional_imports import import_optional
from coterie_demo.scenes.pose import Pose
from coterie_demo.scenes.shape import Array, Mesh, normalize_vectors


@dataclass(frozen=True)
class RayHits:
    """What rays met.

    Attributes:
        objects: [rays] number of the object, -1 for none.
        distances: [rays] in lengths of the ray's direction, infinite for none.
        facing: [rays, 3] normals, of length 1, of the triangles; 0 for none.
    """

    objects: NDArray[np.int64]
    distances: Array
    facing: Array


class RayCaster:
    """Meshes of a scene, indexed for rays."""

    def __init__(self, meshes: Sequence[Mesh], poses: Sequence[Pose]) -> None:
        """Place each mesh by its pose."""
        corners = np.concatenate(
            [pose.to_scene(mesh.corners) for mesh, pose in zip(meshes, poses, strict=True)]
        )
        starts = np.cumsum([0, *(len(mesh.corners) for mesh in meshes[:-1])])
        faces = np.concatenate(
            [mesh.faces + start for mesh, start in zip(meshes, starts, strict=True)]
        )
        self.object_of_face = np.repeat(
            np.arange(len(meshes)), [len(mesh.faces) for mesh in meshes]
        )
        first, second, third = corners[faces].transpose(1, 0, 2)
        self.facing = normalize_vectors(np.cross(second - first, third - first))
        self.scene = import_optional("embreex.rtcore_scene", "scenes").EmbreeScene()
        building = import_optional("embreex.mesh_construction", "scenes")
        self.mesh = building.TriangleMesh(
            self.scene, corners.astype(np.float32), faces.astype(np.int32)
        )

    def cast(self, start: Array, directions: Array) -> RayHits:
        """What rays from one place `start` [3] meet first, along `directions` [rays, 3]."""
        starts = np.ascontiguousarray(np.broadcast_to(start, directions.shape), np.float32)
        found = self.scene.run(
            starts, directions.astype(np.float32), query="INTERSECT", output=True
        )
        faces = found["primID"]
        met = faces >= 0
        return RayHits(
            np.where(met, self.object_of_face[faces], -1),
            np.where(met, found["tfar"], np.inf).astype(np.float64),
            np.where(met[:, None], self.facing[faces], 0.0),
        )

    def is_occluded(self, starts: Array, ways: Array) -> NDArray[np.bool_]:
        """[rays] whether anything blocks the segments [rays, 3] that begin at `starts`."""
        found = self.scene.run(
            starts.astype(np.float32),
            ways.astype(np.float32),
            dists=np.ones(len(starts), np.float32),
            query="OCCLUDED",
        )
        return found >= 0
