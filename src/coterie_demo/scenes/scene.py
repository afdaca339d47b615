"""Samples scenes: environment, camera, lights and objects."""

from dataclasses import dataclass

import numpy as np

from coterie_demo.scenes.camera import Camera, make_camera
from coterie_demo.scenes.classes import KINDS
from coterie_demo.scenes.colours import sample_object_material
from coterie_demo.scenes.environments import ENVIRONMENTS, Environment
from coterie_demo.scenes.ground import Ground
from coterie_demo.scenes.light import AmbientLight, Light
from coterie_demo.scenes.object import SceneObject
from coterie_demo.scenes.pose import Pose, make_vertical_rotation, sample_rotation
from coterie_demo.scenes.shape import Array

FEWEST, MOST = 3, 8
"""Objects of a scene."""
MAX_ATTEMPTS = 60
"""Positions tried for objects before another scene is sampled."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """All that an image shows.

    Attributes:
        environment: number of the scene class in ENVIRONMENTS.
        objects: floors and walls first, then the objects on them.
        camera: who looks.
        light: what throws shadows.
        ambient_light: all other light.
    """

    environment: int
    objects: tuple[SceneObject, ...]
    camera: Camera
    light: Light
    ambient_light: AmbientLight


def sample_scene(rng: np.random.Generator, held_out: bool) -> Scene:
    """A random scene; `held_out` says which pairs of hue and texture its objects have."""
    number = int(rng.integers(len(ENVIRONMENTS)))  # once: rare settings are none that fill easily
    setting = ENVIRONMENTS[number]
    while True:
        place = Ground.sample(rng, setting)
        camera = sample_camera(rng, setting, place)
        light, surrounding = setting.sample_lighting(rng, place.breadth, place.length, place.height)
        objects = sample_objects(rng, setting, place, camera, held_out)
        if len(objects) >= FEWEST:
            return Scene(
                environment=number,
                objects=(*place.make_surfaces(rng), *objects),
                camera=camera,
                light=light,
                ambient_light=surrounding,
            )


def sample_camera(rng: np.random.Generator, environment: Environment, ground: Ground) -> Camera:
    """Near one end of the place, at any height, looking somewhere at its other end."""
    length = min(ground.length, 2 * environment.reach)
    spot = np.array(
        [
            rng.uniform(-0.3, 0.3) * min(ground.breadth, 2 * environment.reach),
            -length * rng.uniform(0.25, 0.46),
            rng.uniform(*environment.camera_height),
        ]
    )
    distance = rng.uniform(0.25, 0.7) * min(ground.length, environment.reach)
    aside = np.radians(rng.uniform(-1, 1) * environment.max_yaw_degrees)
    target = spot + distance * np.array([np.sin(aside), np.cos(aside), 0.0])
    target[2] = rng.uniform(0.0, 0.8)
    roll = np.radians(rng.normal(0, 3))
    return make_camera(spot, target, roll, float(rng.uniform(42, 85)))


def sample_objects(
    rng: np.random.Generator,
    environment: Environment,
    ground: Ground,
    camera: Camera,
    held_out: bool,
) -> list[SceneObject]:
    """Objects on the floor where the camera sees it, none within another; perhaps too few."""
    wanted = rng.integers(FEWEST, MOST + 1)
    things: list[SceneObject] = []
    taken = [(camera.pose.position[:2], 0.7)]
    for _ in range(MAX_ATTEMPTS):
        if len(things) == wanted:
            break
        spot = sample_visible_floor_point(rng, camera)
        size = float(np.exp(rng.uniform(*np.log(environment.sizes))))
        shape = KINDS[rng.integers(len(KINDS))].sample(rng, size)
        mesh, turn = shape.make_mesh(), sample_object_rotation(rng)
        corners = mesh.corners @ turn.T
        reach = float(np.linalg.norm(corners[:, :2], axis=1).max())
        paint = sample_object_material(rng, held_out, size)
        if is_free(spot, reach, camera, environment, ground, taken):
            taken.append((spot, reach))
            pose = Pose(position=np.array([*spot, -corners[:, 2].min()]), rotation=turn)
            things.append(
                SceneObject(kind=shape.name, shape=shape, mesh=mesh, pose=pose, material=paint)
            )
    return things


def sample_visible_floor_point(rng: np.random.Generator, camera: Camera) -> Array:
    """[2] where a random ray through the image meets the floor; infinite if it does not."""
    across, up = rng.uniform([-0.9, -0.9], [0.9, 0.7])
    ray = camera.compute_directions(np.array(across), np.array(up))
    if ray[2] > -1e-3:
        return np.full(2, np.inf)
    return (camera.pose.position - ray * camera.pose.position[2] / ray[2])[:2]


def sample_object_rotation(rng: np.random.Generator) -> Array:
    """[3, 3] upright as often as not."""
    upright = rng.random() < 0.5
    return make_vertical_rotation(rng.uniform(0, 2 * np.pi)) if upright else sample_rotation(rng)


def is_free(
    spot: Array,
    reach: float,
    camera: Camera,
    environment: Environment,
    ground: Ground,
    taken: list[tuple[Array, float]],
) -> bool:
    """Whether an object of this radius fits at the position."""
    near = np.linalg.norm(spot - camera.pose.position[:2]) < environment.reach
    apart = all(np.linalg.norm(spot - other) > reach + room for other, room in taken)
    return ground.contains(spot, reach) and bool(near) and apart
