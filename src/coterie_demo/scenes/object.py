"""One object of a scene."""

from dataclasses import dataclass

from coterie_demo.scenes.materials import Material
from coterie_demo.scenes.pose import Pose
from coterie_demo.scenes.shape import Mesh, Shape


@dataclass(frozen=True, kw_only=True)
class SceneObject:
    """A shape somewhere.

    Attributes:
        kind: its class, one of CLASSES.
        shape: its exact surface, in own axes.
        mesh: what rays are cast at, in own axes.
        pose: where it is.
        material: what it looks like.
    """

    kind: str
    shape: Shape
    mesh: Mesh
    pose: Pose
    material: Material
