"""Thinning."""

import numpy as np
import pytest
from scipy.ndimage import label

from coterie.metrics.dense.thinning import find_removable, thin_edges


def mask(*rows: str) -> np.ndarray:
    return np.array([[letter == "#" for letter in row] for row in rows])


@pytest.mark.parametrize(
    "thin", [mask("....", "####", "...."), mask("#..", ".#.", "..#"), mask("#"), mask("..", "..")]
)
def test_what_is_thin_stays(thin: np.ndarray) -> None:
    assert (thin_edges(thin) == thin).all()


def test_a_bar_becomes_its_middle_line() -> None:
    # As scikit-image 0.26's `thin` has it, too.
    bar = mask(".......", ".#####.", ".#####.", ".#####.", ".......")
    assert (thin_edges(bar) == mask(".......", ".......", "..###..", ".......", ".......")).all()


def test_a_ring_stays_a_ring() -> None:
    ring = np.ones((9, 9), bool)
    ring[4, 4] = False
    thin = thin_edges(ring)
    assert label(thin, np.ones((3, 3)))[1] == 1 and label(~thin)[1] == 2  # inside and outside
    assert thin.sum() <= 24


def test_nothing_breaks_or_is_added() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        full = rng.random((20, 24)) > 0.45
        thin = thin_edges(full)
        assert not (thin & ~full).any() and (thin_edges(thin) == thin).all()
        assert label(thin, np.ones((3, 3)))[1] == label(full, np.ones((3, 3)))[1]


def test_a_step_by_hand() -> None:
    # An end of a line has one neighbour: G2 asks for 2 or 3 pairs of them, so it stays. In the
    # middle of a bar's upper side, x1, x5, x6, x7 and x8 are there. G1: only x3 is empty before
    # something, x5. G2: 3 pairs either way. G3, first half: x2 or x3 or not x8 is false, so it may
    # go; second half: x6 and x5, so it stays.
    upper = sum(1 << (i - 1) for i in (1, 5, 6, 7, 8))
    assert not find_removable(True)[1] and not find_removable(False)[1]
    assert find_removable(True)[upper] and not find_removable(False)[upper]
