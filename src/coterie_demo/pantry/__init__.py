"""The embedded data set: many small tasks over pictures, speech and text, with honest splits."""

from coterie_demo.pantry.build import build
from coterie_demo.pantry.sources import list_packages

__all__ = ["build", "list_packages"]
