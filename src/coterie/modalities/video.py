"""Videos: frames that an image tower encodes; coterie reads none from files."""

from typing import ClassVar

from coterie.modalities.base import Modality


class Video(Modality):
    """Frames in the image tower, with a placeholder token of their own in the text."""

    name: ClassVar = "video"
    inputs: ClassVar = ("pixel_values_videos",)
    towers: ClassVar = ("vision", "connector")
    order: ClassVar = 2
