"""Recorded and played sounds, as the tasks about them store them: 16 kHz, mono, short, FLAC."""

import io
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile
import soxr
from jaxtyping import Float32

from coterie.modalities.audio import SAMPLE_RATE_HZ, Audio

Samples = Float32[np.ndarray, " time"]
COLUMN: Literal["sound"] = "sound"
"""The column and the modality of sounds."""
PEAK = 0.7
QUIET = 0.01
"""Of the peak: what is quieter at the start of a recording is cut off."""
SILENT = 1e-3
FADE_S = 0.02


def read_recording(file: Path, *, seconds: float) -> Samples:
    """The start of a recording, from its first sound on."""
    return trim(Audio().decode(file.read_bytes()), seconds=seconds)


def resample(samples: Samples, rate_hz: int) -> Samples:
    """Samples of another rate at 16 kHz."""
    return soxr.resample(samples, rate_hz, SAMPLE_RATE_HZ).astype(np.float32)


def trim(samples: Samples, *, seconds: float) -> Samples:
    """At most so many seconds from the first sound on, faded out, and equally loud at the peak.

    Of silence, nothing is left.
    """
    peak = float(np.abs(samples).max(initial=0.0))
    if peak < SILENT:
        return np.empty(0, np.float32)
    start = int(np.argmax(np.abs(samples) > QUIET * peak))
    heard = samples[start : start + round(seconds * SAMPLE_RATE_HZ)]
    fade = np.clip(np.arange(len(heard), 0, -1) / (FADE_S * SAMPLE_RATE_HZ), 0, 1)
    return (heard * fade * (PEAK / peak)).astype(np.float32)


def encode_flac(samples: Samples) -> bytes:
    """A FLAC file of 16 bits."""
    opened = io.BytesIO()
    soundfile.write(opened, samples, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    return opened.getvalue()
