"""What is where in a picture, drawn from random numbers."""

from dataclasses import dataclass

import numpy as np

from coterie.embedded.scenes.camera import Camera, looking
from coterie.embedded.scenes.colours import object_paint
from coterie.embedded.scenes.kinds import KINDS
from coterie.embedded.scenes.light import Light, Surrounding
from coterie.embedded.scenes.place import Place
from coterie.embedded.scenes.pose import Pose, any_turn, upright_turn
from coterie.embedded.scenes.settings import SETTINGS, Setting
from coterie.embedded.scenes.shape import Array
from coterie.embedded.scenes.thing import Thing

FEWEST, MOST = 3, 8
"""Objects of a scene."""
TRIES = 60
"""Places that are looked for objects, before another scene is drawn."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """All that a picture shows.

    Attributes:
        setting: number of the scene class in SETTINGS.
        things: floors and walls first, then objects.
        camera: who looks.
        light: what throws shadows.
        surrounding: all other light.
    """

    setting: int
    things: tuple[Thing, ...]
    camera: Camera
    light: Light
    surrounding: Surrounding


def draw(rng: np.random.Generator, held_out: bool) -> Scene:
    """A random scene; `held_out` says which pairs of hue and texture its objects have."""
    number = int(rng.integers(len(SETTINGS)))  # once: rare settings are none that fill easily
    setting = SETTINGS[number]
    while True:
        place = Place.drawn(rng, setting)
        camera = drawn_camera(rng, setting, place)
        light, surrounding = setting.lit(rng, place.breadth, place.length, place.height)
        objects = drawn_objects(rng, setting, place, camera, held_out)
        if len(objects) >= FEWEST:
            return Scene(
                setting=number,
                things=(*place.panels(rng), *objects),
                camera=camera,
                light=light,
                surrounding=surrounding,
            )


def drawn_camera(rng: np.random.Generator, setting: Setting, place: Place) -> Camera:
    """Near one end of the place, at any height, looking somewhere at its other end."""
    length = min(place.length, 2 * setting.reach)
    spot = np.array(
        [
            rng.uniform(-0.3, 0.3) * min(place.breadth, 2 * setting.reach),
            -length * rng.uniform(0.25, 0.46),
            rng.uniform(*setting.eye),
        ]
    )
    distance = rng.uniform(0.25, 0.7) * min(place.length, setting.reach)
    aside = np.radians(rng.uniform(-1, 1) * setting.turning)
    target = spot + distance * np.array([np.sin(aside), np.cos(aside), 0.0])
    target[2] = rng.uniform(0.0, 0.8)
    roll = np.radians(rng.normal(0, 3))
    return looking(spot, target, roll, float(rng.uniform(42, 85)))


def drawn_objects(
    rng: np.random.Generator, setting: Setting, place: Place, camera: Camera, held_out: bool
) -> list[Thing]:
    """Objects on the floor where the camera sees it, none within another; perhaps too few."""
    wanted = rng.integers(FEWEST, MOST + 1)
    things: list[Thing] = []
    taken = [(camera.pose.place[:2], 0.7)]
    for _ in range(TRIES):
        if len(things) == wanted:
            break
        spot = seen_floor(rng, camera)
        size = float(np.exp(rng.uniform(*np.log(setting.sizes))))
        shape = KINDS[rng.integers(len(KINDS))].drawn(rng, size)
        mesh, turn = shape.mesh(), drawn_turn(rng)
        corners = mesh.corners @ turn.T
        reach = float(np.linalg.norm(corners[:, :2], axis=1).max())
        paint = object_paint(rng, held_out, size)
        if fits(spot, reach, camera, setting, place, taken):
            taken.append((spot, reach))
            pose = Pose(place=np.array([*spot, -corners[:, 2].min()]), turn=turn)
            things.append(Thing(kind=shape.name, shape=shape, mesh=mesh, pose=pose, paint=paint))
    return things


def seen_floor(rng: np.random.Generator, camera: Camera) -> Array:
    """[2] where a random ray through the picture meets the floor; infinite if it does not."""
    across, up = rng.uniform([-0.9, -0.9], [0.9, 0.7])
    ray = camera.toward(np.array(across), np.array(up))
    if ray[2] > -1e-3:
        return np.full(2, np.inf)
    return (camera.pose.place - ray * camera.pose.place[2] / ray[2])[:2]


def drawn_turn(rng: np.random.Generator) -> Array:
    """[3, 3] upright as often as not."""
    upright = rng.random() < 0.5
    return upright_turn(rng.uniform(0, 2 * np.pi)) if upright else any_turn(rng)


def fits(
    spot: Array,
    reach: float,
    camera: Camera,
    setting: Setting,
    place: Place,
    taken: list[tuple[Array, float]],
) -> bool:
    """Whether something that reaches so far to all sides can stand there."""
    near = np.linalg.norm(spot - camera.pose.place[:2]) < setting.reach
    apart = all(np.linalg.norm(spot - other) > reach + room for other, room in taken)
    return place.holds(spot, reach) and bool(near) and apart
