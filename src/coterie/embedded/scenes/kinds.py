"""The shapes that are drawn, and the classes that a pixel may be of."""

from coterie.embedded.scenes.ball import Dome, Ellipsoid, Sphere
from coterie.embedded.scenes.flat import Box, Prism, Pyramid
from coterie.embedded.scenes.round import Capsule, Cone, Cylinder, Torus
from coterie.embedded.scenes.shape import Shape

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
