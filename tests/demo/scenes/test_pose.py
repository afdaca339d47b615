"""Poses and rotations."""

import numpy as np

from coterie_demo.scenes.pose import Pose, make_vertical_rotation, sample_rotation


def test_a_quarter_turn_by_hand_and_back() -> None:
    pose = Pose(position=np.array([1.0, 0, 0]), rotation=make_vertical_rotation(np.pi / 2))
    own = np.array([[2.0, 0.0, 3.0]])
    np.testing.assert_allclose(pose.to_scene(own), [[1, 2, 3]], atol=1e-12)
    np.testing.assert_allclose(pose.to_local(pose.to_scene(own)), own, atol=1e-12)


def test_random_rotations_are_rotations() -> None:
    turn = sample_rotation(np.random.default_rng(0))
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(turn), 1)
