"""`MediaLimits`: how large a media file may be, as environment variables set it."""

import math
import os
from dataclasses import dataclass, fields

PREFIX = "COTERIE_MAX_"
"""Begins the variable of a limit; its name in capitals follows, as in COTERIE_MAX_AUDIO_S."""
PILLOW_PIXELS = 178_956_970
"""What Pillow itself reads at most."""
SAMPLES_PER_S = 112_000
"""Of all channels; stereo at 48 kHz has 96,000. FLAC packs silence at any rate, in up to 8
channels, into a few bytes."""


@dataclass(frozen=True, kw_only=True)
class MediaLimits:
    """How large a file may be that is decoded, so that a small file cannot fill the memory.

    Each is set by the environment variable of its name, COTERIE_MAX_IMAGE_PIXELS and so on, which
    worker processes inherit.

    Attributes:
        image_pixels: pixels of an image, or of all frames of a video that are kept. With four
            copies of 4 bytes a pixel, which a conversion may hold, the default of 8192 x 8192 takes
            1 GiB of memory.
        audio_s: seconds of a recording or sound.
        video_frames: pictures in a list of frames.
        media_bytes: bytes of a file; 0 for 256 MiB of an image and 512 MiB of other media.
    """

    image_pixels: int = 2**26
    audio_s: float = 1800.0
    video_frames: int = 256
    media_bytes: int = 0

    @property
    def audio_samples(self) -> float:
        """The most samples of all channels of a recording."""
        return self.audio_s * SAMPLES_PER_S


def read_media_limits() -> MediaLimits:
    """Read the limits from the environment. Raises ValueError for one that is not above 0."""
    given = {}
    for each in fields(MediaLimits):
        name = PREFIX + each.name.upper()
        text = os.environ.get(name)
        if text is not None:
            given[each.name] = _parse(name, text, type(each.default))
    limits = MediaLimits(**given)
    if limits.image_pixels > PILLOW_PIXELS:
        raise ValueError(
            f"{PREFIX}IMAGE_PIXELS={limits.image_pixels}: Pillow reads at most {PILLOW_PIXELS} "
            "pixels; set it lower, and cut larger images into tiles"
        )
    return limits


def _parse(name: str, text: str, kind: type) -> float:
    try:
        value = kind(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        wanted = "a whole number" if kind is int else "a number"
        raise ValueError(f"{name}={text!r}: set it to {wanted} above 0, or unset it")
    return value
