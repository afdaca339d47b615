"""The embedded data set: small tasks over images, speech and text, with held-out conditions."""

from coterie_demo.pantry.build import build
from coterie_demo.pantry.sources import list_packages

__all__ = ["build", "list_packages"]
