"""Rays at two panels, one behind the other."""

import numpy as np
import pytest

from coterie_demo.scenes.embree import RayCaster
from coterie_demo.scenes.flat_shapes import Rectangle
from coterie_demo.scenes.pose import Pose

pytest.importorskip("embreex")


def test_the_nearer_panel_is_met_and_blocks() -> None:
    panel = Rectangle(breadth=2.0, length=2.0).make_mesh()
    poses = [Pose(position=np.array([0.0, 0, z]), rotation=np.eye(3)) for z in (0.0, 1.0)]
    caster = RayCaster([panel, panel], poses)
    down, up = np.array([0.0, 0, -1.0]), np.array([0.0, 0, 1.0])
    hits = caster.cast(np.array([0.1, 0.2, 3.0]), np.stack([down, up]))
    assert hits.objects.tolist() == [1, -1]
    np.testing.assert_allclose(hits.distances, [2.0, np.inf])
    np.testing.assert_allclose(hits.facing, [[0, 0, 1], [0, 0, 0]], atol=1e-6)
    starts = np.array([[0.1, 0.2, 0.5], [0.1, 0.2, 1.5]])
    assert caster.is_occluded(starts, np.stack([2 * up, 2 * up])).tolist() == [True, False]
