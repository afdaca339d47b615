"""The embedded data set: many small tasks over pictures, speech and text, with honest splits."""

from coterie.embedded.pantry.building import build
from coterie.embedded.pantry.sources import list_packages

__all__ = ["build", "list_packages"]
