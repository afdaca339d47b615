"""Position and rotation of an object."""

from dataclasses import dataclass

import numpy as np

from coterie_demo.scenes.shape import Array, normalize_vectors


@dataclass(frozen=True, kw_only=True)
class Pose:
    """From own axes to those of the scene: first turned, then moved.

    Attributes:
        position: [3] where the own origin is, in metres; z is upward.
        rotation: [3, 3], its columns the own axes as the scene sees them.
    """

    position: Array
    rotation: Array

    def to_scene(self, points: Array) -> Array:
        """Own points [points, 3] in the scene's axes."""
        return points @ self.rotation.T + self.position

    def to_local(self, points: Array) -> Array:
        """The scene's points [points, 3] in own axes."""
        return (points - self.position) @ self.rotation


def sample_rotation(rng: np.random.Generator) -> Array:
    """[3, 3] a random turn, each as likely: that of a quaternion of four normal numbers."""
    w, x, y, z = normalize_vectors(rng.normal(size=4))
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def make_vertical_rotation(angle: float) -> Array:
    """[3, 3] a turn around the vertical, in radians, counter-clockwise from above."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]], np.float64)
