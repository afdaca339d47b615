import numpy as np

from coterie_demo.scenes.camera import make_camera


def test_axes_and_rays() -> None:
    # From the origin along y: x stays to the right, z up, and the back is -y.
    camera = make_camera(np.zeros(3), np.array([0.0, 5.0, 0.0]), 0.0, 90.0)
    np.testing.assert_allclose(
        camera.pose.rotation.T, [[1, 0, 0], [0, 0, 1], [0, -1, 0]], atol=1e-12
    )
    # Two pixels a side have their middles at -0.5 and 0.5, and the slope at 90 degrees is 1.
    rays = camera.compute_rays(2)
    expected = [[-0.5, 1, 0.5], [0.5, 1, 0.5], [-0.5, 1, -0.5], [0.5, 1, -0.5]]
    np.testing.assert_allclose(rays, expected, atol=1e-12)


def test_roll_turns_the_camera_counter_clockwise() -> None:
    camera = make_camera(np.zeros(3), np.array([0.0, 5.0, 0.0]), np.pi / 2, 90.0)
    np.testing.assert_allclose(camera.pose.rotation[:, 0], [0, 0, 1], atol=1e-12)  # right is now up
