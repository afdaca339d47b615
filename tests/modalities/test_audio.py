"""Audio: how it is decoded and resampled, and what is refused."""

import sys

import numpy as np
import pytest

from coterie.modalities.audio import SAMPLE_RATE_HZ, Audio
from tests.data.files import tone, wav


def test_sound_is_mono_at_16_khz() -> None:
    # Left 0.5, right -0.25 everywhere: the mean is 0.125.
    read = Audio().decode(wav(np.tile([0.5, -0.25], (1600, 1)), subtype="FLOAT"))
    assert read.dtype == np.float32 and read.shape == (1600,) and read == pytest.approx(0.125)


def test_sound_is_resampled() -> None:
    read = Audio().decode(wav(tone(0.5, rate=44_100, hertz=1000), rate=44_100))
    assert len(read) == pytest.approx(SAMPLE_RATE_HZ / 2, abs=1)
    spectrum = abs(np.fft.rfft(read))
    assert spectrum.argmax() == 500  # 1000 Hz, in steps of 2 Hz


@pytest.mark.parametrize("form", ["WAV", "FLAC", "OGG", "MP3"])
def test_forms_of_sound(form) -> None:
    assert len(Audio().decode(wav(tone(0.5), form=form))) == pytest.approx(8000, abs=1200)


def test_too_long_a_sound(monkeypatch) -> None:
    monkeypatch.setattr("coterie.modalities.audio.MAX_DURATION_S", 1.0)
    with pytest.raises(ValueError, match=r"lasts 2 s: at most 1 s are read; cut it"):
        Audio().decode(wav(np.zeros(32_000)))


def test_a_missing_library_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(ValueError, match=r"needs soundfile, .*pip install 'coterie\[data\]'"):
        Audio().decode(b"")
