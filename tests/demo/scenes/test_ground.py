"""The ground: what is within its walls, and which surfaces it has."""

import numpy as np

from coterie_demo.scenes.environments import ENVIRONMENTS
from coterie_demo.scenes.ground import Ground


def test_contains() -> None:
    ground = Ground(environment=ENVIRONMENTS[0], breadth=4.0, length=6.0, height=2.0)
    assert ground.contains(np.array([1.0, -2.0]), 0.9)
    assert not ground.contains(np.array([1.0, -2.0]), 1.0)


def test_surfaces() -> None:
    counts = {}
    for environment in ENVIRONMENTS:
        ground = Ground.sample(np.random.default_rng(0), environment)
        kinds = [each.kind for each in ground.make_surfaces(np.random.default_rng(0))]
        counts[environment.name] = [kinds.count(kind) for kind in ("floor", "wall", "ceiling")]
    assert counts["room"] == [1, 4, 1]
    assert counts["yard"] == [1, 3, 0]
    assert counts["field by day"] == [1, 0, 0]
