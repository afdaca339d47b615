"""Audio, decoded to mono samples at 16 kHz; damaged, empty or too long files are refused."""

import io
from typing import ClassVar

import numpy as np
from jaxtyping import Float32

from coterie.modalities.base import MediaModality
from coterie.optional_imports import import_optional

SAMPLE_RATE_HZ = 16_000
"""Samples per second to which all audio is resampled, as speech encoders need it."""
MAX_DURATION_S = 1800.0
"""Longer audio is refused, so that a small file cannot fill the memory."""


class Audio(MediaModality):
    """Recordings, which the audio tower and its connector encode."""

    name: ClassVar = "audio"
    inputs: ClassVar = ("input_features", "audio_features")
    towers: ClassVar = ("audio",)
    suffixes: ClassVar = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif")
    order: ClassVar = 3

    def decode(self, content: bytes) -> Float32[np.ndarray, " time"]:
        """Return samples at SAMPLE_RATE_HZ, mostly in -1..1: the mean of all channels.

        Raises ValueError if soundfile cannot decode the complete file, if it has no samples, if a
        sample is NaN or infinite, or if it lasts longer than MAX_DURATION_S.
        """
        soundfile = import_optional("soundfile", "data")
        try:
            with soundfile.SoundFile(io.BytesIO(content)) as file:
                rate, frames = file.samplerate, file.frames
                is_too_long = frames > MAX_DURATION_S * rate
                samples = file.read(0 if is_too_long else -1, dtype="float32", always_2d=True)
        except Exception as error:  # decoders raise many types for damaged files
            reason = str(error).rpartition(">: ")[2]  # without the address of the buffer
            raise ValueError(
                f"is no sound that soundfile can read (it begins with {content[:8]!r}): {reason}"
            ) from None
        if is_too_long:
            raise ValueError(
                f"lasts {frames / rate:.0f} s: at most {MAX_DURATION_S:.0f} s are read; cut it"
            )
        missing = max(0, estimate_min_bytes(content) - len(content))
        if missing or len(samples) < frames:
            raise ValueError(
                f"is cut off after {len(samples)} samples: {missing} bytes are missing"
            )
        if not len(samples):
            raise ValueError("is an empty sound: it has 0 samples")
        mono = samples.mean(axis=1)
        if not np.isfinite(mono).all():
            raise ValueError("is a damaged sound: it has samples that are not finite")
        if rate != SAMPLE_RATE_HZ:
            mono = import_optional("soxr", "data").resample(mono, rate, SAMPLE_RATE_HZ)
        return mono.astype(np.float32)


def estimate_min_bytes(content: bytes) -> int:
    """Return the least size in bytes that the header of a WAV or Ogg file implies.

    soundfile reads truncated files without an error. 0 for other formats, and for a WAV file whose
    header was written before its length was known.
    """
    if content[:4] == b"RIFF":
        length = int.from_bytes(content[4:8], "little")
        return length + 7 if length < 0x7FFF_0000 else 0  # 8, but the last may be padding
    if content[:4] == b"OggS":
        page = content.rfind(b"OggS")  # its table of lengths starts at 27, after their count
        count = int.from_bytes(content[page + 26 : page + 27])
        sizes = content[page + 27 : page + 27 + count]
        return page + 27 + max(count, 1) + sum(sizes)
    return 0
