"""Shapes with flat faces: surfaces and meshes by hand."""

import numpy as np
import pytest

from coterie_demo.scenes.flat_shapes import Box, Rectangle

pytest.importorskip("trimesh")


def test_a_face_is_flat_and_faces_as_its_triangles() -> None:
    right = np.array([[1.0, 0.0, 0.0]])
    box = Box(sides=(1.0, 1.0, 1.0))
    surface = box.compute_surface(np.array([[0.5, 0.0, 0.0]]), right)
    np.testing.assert_array_equal(surface.normals, right)
    np.testing.assert_array_equal(surface.curvatures, [[0, 0]])
    np.testing.assert_allclose(np.ptp(box.make_mesh().corners, axis=0), 1)


def test_a_panel_is_two_triangles_seen_from_above() -> None:
    mesh = Rectangle(breadth=4.0, length=2.0).make_mesh()
    first, second, third = mesh.corners[mesh.faces].transpose(1, 0, 2)
    # Each half of 4 x 2 has an area of 4, twice which is the length of the cross product.
    np.testing.assert_array_equal(np.cross(second - first, third - first), [[0, 0, 8]] * 2)
