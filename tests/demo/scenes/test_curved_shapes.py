"""Surfaces of curved shapes, against curvatures known by hand."""

import numpy as np
import pytest

from coterie_demo.scenes.curved_shapes import (
    Capsule,
    Cone,
    Cylinder,
    Dome,
    Ellipsoid,
    Sphere,
    Torus,
)
from coterie_demo.scenes.shape import SHARPEST, Shape

pytest.importorskip("trimesh")

UP = (0.0, 0.0, 1.0)
RIGHT = (1.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("shape", "point", "normal", "curvatures"),
    [
        (Sphere(radius=0.5), (0, 0, 0.5), UP, (2, 2)),  # 1 / 0.5
        # An ellipsoid with radii a, b, c ends along x in curvatures a / b^2 and a / c^2.
        (Ellipsoid(radii=(2.0, 1.0, 0.5)), (2, 0, 0), RIGHT, (8, 2)),
        (Ellipsoid(radii=(2.0, 1.0, 0.5)), (0, 0, 0.5), UP, (0.5, 0.125)),  # c / b^2, c / a^2
        (Cylinder(radius=0.25, height=1.0), (0.25, 0, 0), RIGHT, (4, 0)),
        # Radius 3 and height 4 make a slant of 5: the normal is (4, 0, 3) / 5, and half way up, at
        # 1.5 from the axis, the curvature around it is (4 / 5) / 1.5.
        (Cone(radius=3.0, height=4.0), (1.5, 0, 2), (0.8, 0, 0.6), (0.8 / 1.5, 0)),
        # Tube 0.5 on a ring of 2: outside 1 / 2.5 around the axis, inside -1 / 1.5, on top none.
        (Torus(ring=2.0, tube=0.5), (2.5, 0, 0), RIGHT, (2, 0.4)),
        (Torus(ring=2.0, tube=0.5), (1.5, 0, 0), (-1, 0, 0), (2, -1 / 1.5)),
        (Torus(ring=2.0, tube=0.5), (2, 0, 0.5), UP, (2, 0)),
        (Capsule(radius=0.5, length=1.0), (0.5, 0, 0.2), RIGHT, (2, 0)),
        (Capsule(radius=0.5, length=1.0), (0, 0, 1), UP, (2, 2)),
        (Dome(radius=0.5), (0.5, 0, 0), RIGHT, (2, 2)),
    ],
)
def test_surfaces_by_hand(
    shape: Shape,
    point: tuple[float, float, float],
    normal: tuple[float, float, float],
    curvatures: tuple[float, float],
) -> None:
    surface = shape.compute_surface(np.array([point], float), np.array([normal], float))
    np.testing.assert_allclose(surface.normals, [normal], atol=1e-9)
    np.testing.assert_allclose(surface.curvatures, [curvatures], atol=1e-9)


@pytest.mark.parametrize("shape", [Cylinder(radius=1.0, height=2.0), Dome(radius=1.0)])
def test_ends_are_flat(shape: Shape) -> None:
    down = np.array([[0.0, 0.0, -1.0]])
    surface = shape.compute_surface(
        np.array([[0.3, 0.2, shape.make_mesh().corners[:, 2].min()]]), down
    )
    np.testing.assert_array_equal(surface.normals, down)
    np.testing.assert_array_equal(surface.curvatures, [[0, 0]])


def test_the_tip_of_a_cone_is_cut_off() -> None:
    surface = Cone(radius=1.0, height=1.0).compute_surface(
        np.array([[1e-6, 0, 1]]), np.array([[0.7, 0, 0.7]])
    )
    np.testing.assert_array_equal(surface.curvatures, [[SHARPEST, 0]])
