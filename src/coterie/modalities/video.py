"""Videos as frames that an image tower encodes: samples of a file, or a list of pictures."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from jaxtyping import UInt8

from coterie.modalities import pyav
from coterie.modalities.base import MediaModality, get_media_modality
from coterie.modalities.limits import read_media_limits

NUM_FRAMES = 8
"""Number of frames that are sampled of a file, at equal distances."""


class Video(MediaModality):
    """Frames in the image tower, with their own placeholder token in the text."""

    name: ClassVar = "video"
    inputs: ClassVar = ("pixel_values_videos", "video_features")
    towers: ClassVar = ("vision", "connector", "video")
    aliases: ClassVar = ("video_url", "input_video")
    suffixes: ClassVar = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg")
    max_bytes: ClassVar = 2**29
    """512 MiB: the file is read as a whole."""
    frames: ClassVar = "image"
    lengths: ClassVar = "video_lengths"
    order: ClassVar = 2

    def decode(self, content: bytes) -> UInt8[np.ndarray, "frames height breadth 3"]:
        """Return NUM_FRAMES frames in RGB, fewer of a shorter video. PyAV is needed."""
        pixels = read_media_limits().image_pixels
        return pyav.sample_frames(content, NUM_FRAMES, pixels // NUM_FRAMES)

    def join_frames(self, frames: Sequence[Any]) -> UInt8[np.ndarray, "frames height breadth 3"]:
        """Return the pixels of PIL images, which must be of one size."""
        width, height = frames[0].size
        for number, frame in enumerate(frames):
            if frame.size != (width, height):
                raise ValueError(
                    f"frame {number + 1} has {frame.width} x {frame.height} pixels, the first "
                    f"{width} x {height}: give frames of one size"
                )
        limits = read_media_limits()
        too_many = len(frames) > limits.video_frames
        if too_many or len(frames) * width * height > limits.image_pixels:
            raise ValueError(
                f"has {len(frames)} frames of {width} x {height} pixels: at most "
                f"{limits.video_frames} frames, and {limits.image_pixels} pixels in all, are read; "
                "leave some out, or shrink them, or set COTERIE_MAX_VIDEO_FRAMES or "
                "COTERIE_MAX_IMAGE_PIXELS"
            )
        return np.stack([np.asarray(frame) for frame in frames])

    def shrink(self, item: Any, max_pixels: int) -> Any:
        """Return the frames with at most so many pixels each."""
        if item.shape[1] * item.shape[2] <= max_pixels:
            return item
        image = get_media_modality("image")
        return np.stack(
            [np.asarray(image.shrink(convert_to_image(frame), max_pixels)) for frame in item]
        )


def convert_to_image(pixels: UInt8[np.ndarray, "height breadth 3"]) -> Any:
    """Convert a frame to a PIL image."""
    from PIL import Image

    return Image.fromarray(pixels)
