"""The shapes of the objects that scenes are rendered with."""

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
"""In the order of `coterie_demo.scenes.manifest.SHAPES`."""
