"""Videos, frames that an image tower encodes; coterie decodes no video files."""

from typing import ClassVar

from coterie.modalities.base import Modality


class Video(Modality):
    """Frames in the image tower, with their own placeholder token in the text."""

    name: ClassVar = "video"
    inputs: ClassVar = ("pixel_values_videos",)
    towers: ClassVar = ("vision", "connector")
    order: ClassVar = 2
