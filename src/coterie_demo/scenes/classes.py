"""The shapes that are drawn, and the classes that a pixel may be of."""

from coterie_demo.scenes.curved_shapes import Capsule, Cone, Cylinder, Torus
from coterie_demo.scenes.flat_shapes import Box, Prism, Pyramid
from coterie_demo.scenes.shape import Shape
from coterie_demo.scenes.spheres import Dome, Ellipsoid, Sphere

KINDS: tuple[type[Shape], ...] = (
    Box,
    Capsule,
    Cone,
    Cylinder,
    Dome,
    Ellipsoid,
    Prism,
    Pyramid,
    Sphere,
    Torus,
)
SHAPES = tuple(kind.name for kind in KINDS)
"""What an object may be."""
SURROUNDINGS = ("sky", "floor", "ceiling", "wall")
"""What is around the objects; the ground outdoors is a floor, too."""
CLASSES = SURROUNDINGS + SHAPES
"""What a pixel may be of, by number."""
SKY = CLASSES.index("sky")
