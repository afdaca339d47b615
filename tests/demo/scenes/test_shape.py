"""What shapes share: random proportions, unit vectors, and where a surface counts as curved."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from coterie_demo.scenes.shape import (
    SHARPEST,
    Mesh,
    Shape,
    Surface,
    normalize_vectors,
    select_curved,
)


@dataclass(frozen=True, kw_only=True)
class Slab(Shape):
    ranges: ClassVar = {"width": (2.0, 3.0), "depth": (0.5, 0.5)}
    width: float
    depth: float

    def make_mesh(self) -> Mesh:
        raise NotImplementedError


def test_proportions_are_drawn_from_the_ranges_in_order() -> None:
    slab = Slab.sample(np.random.default_rng(0), 10.0)
    assert slab.width == 10.0 * np.random.default_rng(0).uniform(2.0, 3.0)
    assert slab.depth == 5.0


def test_vectors_have_length_1_and_zero_stays() -> None:
    found = normalize_vectors(np.array([[3.0, 0.0, 4.0], [0.0, 0.0, 0.0]]))
    np.testing.assert_allclose(found, [[0.6, 0, 0.8], [0, 0, 0]])


def test_ends_are_as_flat_as_their_triangles_and_tips_are_cut_off() -> None:
    facing = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    exact = Surface(np.array([[1.0, 0.0, 0.0]] * 2), np.array([[1e6, 2.0]] * 2))
    found = select_curved(np.array([True, False]), facing, exact)
    np.testing.assert_array_equal(found.normals, [[1, 0, 0], [0, 0, 1]])
    np.testing.assert_array_equal(found.curvatures, [[SHARPEST, 2], [0, 0]])
