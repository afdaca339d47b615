"""Sounds are decoded as audio is, and claim no file name extension of it."""

import io

import numpy as np
import pytest
import soundfile

from coterie.data.sources.folder import get_media_suffixes
from coterie.modalities.sound import Sound


def make_wav(samples: np.ndarray, rate: int = 16000) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV")
    return file.getvalue()


def test_a_file_is_mono_samples() -> None:
    stereo = np.stack([np.full(8, 0.5), np.zeros(8)], axis=1)
    # The mean of .5 and 0; 16-bit samples are off by less than 1/32768.
    np.testing.assert_allclose(Sound().decode(make_wav(stereo)), 0.25, atol=1 / 32768)


def test_what_is_damaged_is_refused() -> None:
    content = make_wav(np.ones(100) * 0.1)
    with pytest.raises(ValueError, match="is cut off after 50 samples: 100 bytes are missing"):
        Sound().decode(content[:-100])
    with pytest.raises(ValueError, match="is an empty sound: it has 0 samples"):
        Sound().decode(make_wav(np.zeros(0)))
    with pytest.raises(ValueError, match="is no sound that soundfile can read"):
        Sound().decode(b"\x89PNG")
    still = bytearray(content)
    still[24:28] = bytes(4)  # samples a second, in the header
    with pytest.raises(ValueError, match=r"^(is no sound|lasts) "):
        Sound().decode(bytes(still))


def test_a_file_without_a_column_is_audio() -> None:
    assert get_media_suffixes()[".wav"] == "audio"
