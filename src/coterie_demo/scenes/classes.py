"""The shapes of the objects that scenes are rendered with."""

from coterie_demo.scenes.curved_shapes import (
    Capsule,
    Cone,
    Cylinder,
    Dome,
    Ellipsoid,
    Sphere,
    Torus,
)
from coterie_demo.scenes.flat_shapes import Box, Prism, Pyramid
from coterie_demo.scenes.shape import Shape

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
