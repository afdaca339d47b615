"""Sounds that are not speech: animals, instruments, machines; decoded as recordings of speech."""

from typing import ClassVar

import numpy as np
from jaxtyping import Float32

from coterie.modalities.audio import decode_audio
from coterie.modalities.base import MediaModality


class Sound(MediaModality):
    """Sounds, which an encoder of their own encodes, beside one of speech (`audio`).

    They have no file name extensions: a file without a column is speech, so a row names sounds in
    the column `sound`.
    """

    name: ClassVar = "sound"
    inputs: ClassVar = ("sound_values", "sound_features")
    towers: ClassVar = ("sound",)
    suffixes: ClassVar = ()
    max_bytes: ClassVar = 2**29
    """512 MiB, as for audio."""
    lengths: ClassVar = "sound_lengths"
    order: ClassVar = 4

    def decode(self, content: bytes) -> Float32[np.ndarray, " time"]:
        """Return the samples of `decode_audio`."""
        return decode_audio(content)
