"""Surfaces of shapes, against curvatures known by hand and against their own meshes."""

import numpy as np
import pytest

from coterie_demo.scenes.classes import KINDS
from coterie_demo.scenes.curved_shapes import Capsule, Cone, Cylinder, Torus
from coterie_demo.scenes.flat_shapes import Box
from coterie_demo.scenes.shape import SHARPEST, Shape
from coterie_demo.scenes.spheres import Dome, Ellipsoid, Sphere

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
        (Box(sides=(1.0, 1.0, 1.0)), (0.5, 0, 0), RIGHT, (0, 0)),
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


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_meshes_are_closed_and_face_as_the_surface_does(kind: type[Shape]) -> None:
    shape = kind.sample(np.random.default_rng(3), 0.5)
    mesh = shape.make_mesh()
    first, second, third = mesh.corners[mesh.faces].transpose(1, 0, 2)
    crossed = np.cross(second - first, third - first)
    areas = np.linalg.norm(crossed, axis=1)
    large = areas > 1e-9  # poles have triangles without any area
    # What surrounds a solid faces all ways alike: the sum of its areas, as vectors, is zero.
    np.testing.assert_allclose(crossed.sum(axis=0), 0, atol=1e-9)
    # Divergence theorem: a closed mesh that faces outward has a volume above zero.
    assert (first * crossed).sum() / 6 > 0.01
    facing = crossed[large] / areas[large, None]
    middles = (first + second + third)[large] / 3
    surface = shape.compute_surface(middles, facing)
    # 128 sides turn by 2.8 degrees each, so that a middle is off by less than 3: cosine 0.9986.
    assert (surface.normals * facing).sum(axis=1).min() > 0.9986
    assert (surface.curvatures[:, 0] >= surface.curvatures[:, 1]).all()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_sizes_are_about_what_was_asked(kind: type[Shape]) -> None:
    for seed in range(20):
        farthest = kind.sample(np.random.default_rng(seed), 2.0).make_mesh().corners
        assert 0.5 < np.linalg.norm(farthest, axis=1).max() / 2.0 < 2.0
