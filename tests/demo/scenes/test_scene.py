import numpy as np
import pytest

from coterie_demo.scenes.manifest import ENVIRONMENTS, SHAPES
from coterie_demo.scenes.scene import sample_scene

pytest.importorskip("trimesh")


def test_scenes_vary_and_objects_stand_apart_on_the_floor() -> None:
    settings, eyes, views = set(), set(), set()
    for seed in range(24):
        scene = sample_scene(np.random.default_rng(seed), held_out=False)
        objects = [thing for thing in scene.objects if thing.kind in SHAPES]
        assert 3 <= len(objects) <= 8
        settings.add(scene.environment)
        eyes.add(scene.camera.pose.position[2])
        views.add(scene.camera.field_of_view)
        lowest = [thing.pose.to_scene(thing.mesh.corners)[:, 2].min() for thing in objects]
        np.testing.assert_allclose(lowest, 0, atol=1e-9)
        assert np.linalg.det(scene.camera.pose.rotation) == pytest.approx(1)
    assert len(settings) == len(ENVIRONMENTS)
    assert np.std([*eyes]) > 0.3 and np.std([*views]) > 5  # metres, degrees


def test_walls_face_inward() -> None:
    scene = sample_scene(np.random.default_rng(0), held_out=False)
    for thing in scene.objects:
        if thing.kind in ("wall", "ceiling", "floor"):
            inward = thing.pose.rotation[:, 2]
            assert np.linalg.det(thing.pose.rotation) == pytest.approx(1)
            assert (scene.camera.pose.position - thing.pose.position) @ inward > 0
