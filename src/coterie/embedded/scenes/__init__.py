"""Rendered 3-D scenes with exact labels, made where they are needed: pictures for dense tasks."""

from coterie.embedded.scenes.kinds import CLASSES, SHAPES
from coterie.embedded.scenes.make import make_scenes
from coterie.embedded.scenes.settings import SETTINGS

__all__ = ["CLASSES", "SETTINGS", "SHAPES", "make_scenes"]
