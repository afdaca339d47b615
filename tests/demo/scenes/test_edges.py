import numpy as np

from coterie_demo.scenes.edges import compute_occlusion_edges

RAYS = np.stack(
    [*np.meshgrid(np.linspace(-0.2, 0.2, 4), [0.0], indexing="xy"), -np.ones((1, 4))], axis=-1
)
FACING = np.broadcast_to([0.0, 0.0, 1.0], (1, 4, 3))


def test_the_nearer_of_two_things_is_marked() -> None:
    depth, things = np.array([[3.0, 3.0, 1.0, 1.0]]), np.array([[0, 0, 1, 1]])
    found = compute_occlusion_edges(depth, things, FACING, RAYS)
    np.testing.assert_array_equal(found, [[False, False, True, False]])


def test_sky_is_farther_than_all() -> None:
    depth, things = np.array([[np.inf, np.inf, 1.0, 1.0]]), np.array([[-1, -1, 1, 1]])
    normals = np.where(np.isinf(depth)[..., None], np.nan, FACING)
    found = compute_occlusion_edges(depth, things, normals, RAYS)
    np.testing.assert_array_equal(found, [[False, False, True, False]])


def test_one_thing_before_itself_is_an_edge_and_its_slope_is_none() -> None:
    things = np.zeros((1, 4), int)
    # Both sides face the viewer, 1 m and 1.2 m off: neither plane explains the other.
    found = compute_occlusion_edges(np.array([[1.2, 1.2, 1.0, 1.0]]), things, FACING, RAYS)
    np.testing.assert_array_equal(found, [[False, False, True, False]])
    # A wall with the normal (1, 0, 1) / sqrt(2) through (0, 0, -2) has x + z = -2. Along a slope s,
    # x = d s and z = -d, so that d = 2 / (1 - s).
    slope = RAYS[..., 0]
    leaning = np.broadcast_to(np.array([1.0, 0.0, 1.0]) / np.sqrt(2), (1, 4, 3))
    assert not compute_occlusion_edges(2 / (1 - slope), things, leaning, RAYS).any()
