"""Every shape: its mesh is closed and faces as its surface does, and it is as large as asked."""

import numpy as np
import pytest

from coterie_demo.scenes.classes import KINDS
from coterie_demo.scenes.shape import Shape

pytest.importorskip("trimesh")


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
