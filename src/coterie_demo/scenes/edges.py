"""Occlusion edges: where an object ends in front of another, or of a farther part of itself."""

import numpy as np
from numpy.typing import NDArray

from coterie_demo.scenes.shape import Array

MIN_DEPTH_JUMP = 0.05
"""Distance of two neighbours from each other's plane, as a fraction of depth, that is an edge."""

Part = slice | tuple[slice, ...]
"""Some of the pixels, by rows or by rows and columns."""


def compute_occlusion_edges(
    depth: Array, things: NDArray[np.int64], normals: Array, rays: Array
) -> NDArray[np.bool_]:
    """[height, breadth] the edges, one pixel wide, on the nearer side.

    Two pixels that touch along a side have an edge between them if they show different things
    (contacts, such as a foot on the floor, are edges, too), or the same thing at depths that
    neither's tangent plane explains: each is off by more than JUMP of the smaller depth. The
    nearer one is marked, at equal depth the upper or left one.

    Args:
        depth: [height, breadth] along the optical axis, infinite for sky.
        things: [height, breadth] what is seen, -1 for sky.
        normals: [height, breadth, 3] in the camera's axes.
        rays: [height, breadth, 3] in the camera's axes, 1 long along the optical axis.
    """
    marked = np.zeros(depth.shape, np.bool_)
    for first, second in (
        (np.s_[:-1], np.s_[1:]),
        (np.s_[:, :-1], np.s_[:, 1:]),
    ):
        misses = np.minimum(
            compute_plane_distance(depth, normals, rays, first, second),
            compute_plane_distance(depth, normals, rays, second, first),
        )
        jumps = misses > MIN_DEPTH_JUMP * np.minimum(depth[first], depth[second])
        between = (things[first] != things[second]) | (jumps & (things[first] >= 0))
        nearer = depth[first] <= depth[second]
        marked[first] |= between & nearer
        marked[second] |= between & ~nearer
    return marked


def compute_plane_distance(
    depth: Array, normals: Array, rays: Array, here: Part, there: Part
) -> Array:
    """How far in depth the pixels `there` are off the tangent planes of those `here`, in metres."""
    with np.errstate(divide="ignore", invalid="ignore"):
        level = (normals[here] * rays[here]).sum(axis=-1) * depth[here]
        expected = level / (normals[here] * rays[there]).sum(axis=-1)
        return abs(depth[there] - expected)
