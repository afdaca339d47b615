"""Geometry by hand: a ball in the middle, a floor, and what labels say of one another."""

import numpy as np
import pytest

from coterie_demo.scenes.camera import make_camera
from coterie_demo.scenes.curved_shapes import Sphere
from coterie_demo.scenes.flat_shapes import Rectangle
from coterie_demo.scenes.labels import Labels, render_with_labels
from coterie_demo.scenes.light import AmbientLight, DirectionalLight
from coterie_demo.scenes.manifest import CLASSES, SHAPES, SKY
from coterie_demo.scenes.materials import Material, Plain
from coterie_demo.scenes.object import SceneObject
from coterie_demo.scenes.pose import Pose
from coterie_demo.scenes.render_dataset import render_scene
from coterie_demo.scenes.scene import Scene
from coterie_demo.scenes.shape import Shape

pytest.importorskip("embreex")
pytest.importorskip("trimesh")

GREY = Material(texture=Plain(period=1.0, rotation=np.eye(3)), colours=np.full((2, 3), 0.5))


def thing(kind: str, shape: Shape, place: tuple[float, float, float]) -> SceneObject:
    pose = Pose(position=np.array(place, float), rotation=np.eye(3))
    return SceneObject(kind=kind, shape=shape, mesh=shape.make_mesh(), pose=pose, material=GREY)


def scene(
    *things: SceneObject, sun: tuple[float, float, float] = (0, 0, 1), height: float = 1.0
) -> Scene:
    """Seen from 3 m before the origin, at some height, looking at the origin."""
    around = AmbientLight(
        above=np.zeros(3), below=np.zeros(3), zenith=np.ones(3), horizon=np.ones(3)
    )
    eye = np.array([0.0, -3.0, height])
    return Scene(
        environment=4,
        objects=things,
        camera=make_camera(eye, np.zeros(3), 0.0, 60.0),
        light=DirectionalLight(direction=np.array(sun, float), colour=np.ones(3)),
        ambient_light=around,
    )


def labelled(made: Scene, size: int = 33) -> Labels:
    labels = render_with_labels(made, size)
    assert labels is not None
    return labels


def test_a_ball_in_the_middle() -> None:
    labels = labelled(scene(thing("sphere", Sphere(radius=0.5), (0, 0, 0)), height=0.0))
    middle = (16, 16)
    # 3 m less the radius; half precision steps by 0.002 there, the mesh lies 0.0005 inside.
    assert labels["depth"][middle] == pytest.approx(2.5, abs=0.0025)
    np.testing.assert_allclose(labels["normals"][:, 16, 16], [0, 0, 1], atol=2e-3)
    np.testing.assert_allclose(labels["curvature"][:, 16, 16], [2, 2])
    assert CLASSES[int(labels["classes"][middle])] == "sphere"
    assert SHAPES[int(labels["object"])] == "sphere" and labels["setting"] == 4
    # The lamp is 0.5 m up, the point 2.5 m off: the cosine is 2.5 / sqrt(2.5^2 + 0.5^2) = 0.9806.
    assert labels["reshading"][middle] == pytest.approx(0.9806 * 255, abs=1)
    # Upward on its upper half, to the right on its right one.
    assert labels["normals"][1, 13, 16] > 0.2 > -0.2 > labels["normals"][1, 19, 16]
    assert labels["normals"][0, 16, 19] > 0.2 > -0.2 > labels["normals"][0, 16, 13]


def test_sky_has_no_geometry() -> None:
    labels = labelled(scene(thing("sphere", Sphere(radius=0.5), (0, 0, 0)), height=0.0))
    assert labels["classes"][0, 0] == SKY
    for name in ("depth", "normals", "curvature"):
        assert np.isnan(labels[name][..., 0, 0]).all()
    assert labels["reshading"][0, 0] == 0
    np.testing.assert_array_equal(labels["image"][0, 0], [255, 255, 255])


def test_a_floor() -> None:
    floor = thing("floor", Rectangle(breadth=60.0, length=60.0), (0, 0, 0))
    ball = thing("sphere", Sphere(radius=0.2), (0.9, 0, 0.2))
    labels = labelled(scene(floor, ball, height=3.0))
    # 3 m up and 3 m off: down at 45 degrees, the floor is sqrt(18) = 4.243 m off, and its normal
    # leans to the viewer as much as up.
    assert labels["depth"][16, 16] == pytest.approx(4.243, abs=0.004)
    np.testing.assert_allclose(labels["normals"][:, 16, 16], [0, 0.7071, 0.7071], atol=1e-3)
    np.testing.assert_array_equal(labels["curvature"][:, 16, 16], [0, 0])
    # A slope is no edge: all of them are about the ball.
    assert labels["edges"].any() and not labels["edges"][:, :17].any()


def test_light_and_shadow() -> None:
    floor = thing("floor", Rectangle(breadth=60.0, length=60.0), (0, 0, 0))
    ball = thing("sphere", Sphere(radius=0.4), (0, 0, 1.6))
    labels = labelled(scene(floor, ball, sun=(0, 0, 1), height=3.0))
    # Without any light from around, what is below the ball is black, for the sun is overhead;
    # elsewhere the floor has 0.5 of white, 188 in sRGB: 255 (1.055 0.5^(1 / 2.4) - 0.055) = 187.5.
    np.testing.assert_array_equal(labels["image"][16, 16], [0, 0, 0])
    np.testing.assert_allclose(labels["image"][30, 2], [188, 188, 188], atol=1)


def test_a_scene_without_a_subject_is_refused() -> None:
    assert render_with_labels(scene(thing("sphere", Sphere(radius=0.01), (0, 0, 0))), 33) is None


@pytest.mark.parametrize("index", range(4))
def test_labels_agree(index: int) -> None:
    labels = render_scene(1, "train", index, 48)
    classes, edges = labels["classes"], labels["edges"] > 0
    sky = classes == SKY
    for name in ("depth", "normals", "curvature"):
        assert np.isfinite(labels[name][..., ~sky]).all()
        assert np.isnan(labels[name][..., sky]).all()
    lengths = np.linalg.norm(labels["normals"].astype(float), axis=0)[~sky]
    np.testing.assert_allclose(lengths, 1, atol=2e-3)
    # Where the class changes there is an edge, on either side.
    assert (edges[1:] | edges[:-1])[classes[1:] != classes[:-1]].all()
    assert (edges[:, 1:] | edges[:, :-1])[classes[:, 1:] != classes[:, :-1]].all()
    assert 0 < edges.mean() < 0.35
    # The subject has more pixels than the largest other thing can have: at least it is there.
    subject = CLASSES.index(SHAPES[int(labels["object"])])
    assert (classes == subject).mean() >= 0.005
    assert labels["image"].std() > 5
    for name in ("keypoints2d", "keypoints3d"):
        assert labels[name].max() > 25  # of 255
