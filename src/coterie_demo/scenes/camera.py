"""A pinhole camera: its pose, and the rays through its pixels."""

from dataclasses import dataclass

import numpy as np

from coterie_demo.scenes.pose import Pose
from coterie_demo.scenes.shape import Array, normalize_vectors


@dataclass(frozen=True, kw_only=True)
class Camera:
    """Takes square images without distortion.

    Attributes:
        pose: own axes are x to the right, y up, z to the viewer.
        field_of_view: degrees from the left to the right edge of the image.
    """

    pose: Pose
    field_of_view: float

    def compute_directions(self, across: Array, up: Array) -> Array:
        """[..., 3] directions in the scene's axes, each 1 m long along the optical axis.

        So the length of a ray in these is depth. `across` and `up` are -1 to 1 over the picture.
        """
        slope = np.tan(np.radians(self.field_of_view) / 2)
        own = np.stack([across * slope, up * slope, -np.ones_like(across)], axis=-1)
        return own @ self.pose.rotation.T

    def compute_rays(self, size: int) -> Array:
        """[size * size, 3] directions through the middles of pixels, by rows from the top left."""
        middles = (np.arange(size) + 0.5) / size * 2 - 1
        up, across = np.meshgrid(-middles, middles, indexing="ij")
        return self.compute_directions(across, up).reshape(-1, 3)


def make_camera(place: Array, target: Array, roll: float, field_of_view: float) -> Camera:
    """A camera at `place` that looks at `target`, turned by `roll` radians around its axis."""
    back = normalize_vectors(place - target)
    right = normalize_vectors(np.cross([0.0, 0.0, 1.0], back))
    up = np.cross(back, right)
    right, up = (
        np.cos(roll) * right + np.sin(roll) * up,
        np.cos(roll) * up - np.sin(roll) * right,
    )
    turn = np.stack([right, up, back], axis=1)
    return Camera(pose=Pose(position=place, rotation=turn), field_of_view=field_of_view)
