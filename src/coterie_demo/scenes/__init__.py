"""Rendered 3-D scenes with exact labels, made where they are needed: pictures for dense tasks."""

from coterie_demo.scenes.classes import CLASSES, SHAPES
from coterie_demo.scenes.environments import SETTINGS
from coterie_demo.scenes.render_dataset import make_scenes

__all__ = ["CLASSES", "SETTINGS", "SHAPES", "make_scenes"]
