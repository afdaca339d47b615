"""Audio: how it is decoded and resampled, and what is refused."""

import io
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
    monkeypatch.setenv("COTERIE_MAX_AUDIO_S", "1")
    with pytest.raises(ValueError, match=r"lasts 2 s: at most 1 s are read; .*MAX_AUDIO_S"):
        Audio().decode(wav(np.zeros(32_000)))


def test_a_missing_library_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(ValueError, match=r"needs soundfile, .*pip install 'coterie\[data\]'"):
        Audio().decode(b"")


def test_codecs_that_cannot_seek() -> None:
    # GSM 6.10 packs 8 kHz in blocks of 320 samples: 8000 are 25 of them, 16,000 at 16 kHz.
    read = Audio().decode(wav(tone(1, rate=8000), rate=8000, subtype="GSM610"))
    assert len(read) == pytest.approx(16_000, abs=700)


def test_many_blocks_are_one_sound(monkeypatch) -> None:
    content = wav(np.stack([tone(0.1), -tone(0.1) / 2], axis=1), subtype="FLOAT")
    whole = Audio().decode(content)
    monkeypatch.setattr("coterie.modalities.audio.BLOCK_SAMPLES", 100)
    assert np.array_equal(Audio().decode(content), whole)


def test_many_channels_at_a_high_rate(monkeypatch) -> None:
    monkeypatch.setattr("coterie.modalities.limits.SAMPLES_PER_S", 5)  # 9000 in half an hour
    content = wav(np.zeros((2000, 8)), rate=655_350, form="FLAC")
    with pytest.raises(ValueError, match=r"has 2000 samples in each of 8 channels, at 655350 Hz"):
        Audio().decode(content)


@pytest.mark.parametrize("form", ["WAV", "AIFF", "AU", "RF64", "W64"])
def test_a_third_of_a_sound(form) -> None:
    content = wav(tone(), form=form)
    with pytest.raises(ValueError, match=r"is cut off after \d+ samples: \d+ bytes are missing"):
        Audio().decode(content[: len(content) // 3])


def test_a_length_of_2_gb() -> None:
    content = bytearray(wav(tone()))
    at = content.index(b"data") + 4
    content[at : at + 4] = (2**31 - 1).to_bytes(4, "little")
    with pytest.raises(ValueError, match="is cut off"):
        Audio().decode(bytes(content))
    content[at : at + 4] = b"\xff" * 4  # as written to a pipe
    content[4:8] = b"\xff" * 4
    assert len(Audio().decode(bytes(content))) == 1600


def test_aac_needs_pyav(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ValueError, match=r"needs av, .*pip install 'coterie\[media\]'"):
        Audio().decode(b"\0\0\0\x20ftypM4A ")


def test_m4a() -> None:
    av = pytest.importorskip("av")
    read = Audio().decode(encode_m4a(av, tone(1.0)))
    assert len(read) == pytest.approx(16_000, abs=2100)  # in blocks of 1024, with some before
    assert abs(np.fft.rfft(read[-8000:])).argmax() == 220  # 440 Hz, in steps of 2


def encode_m4a(av, samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), "fltp", "mono")
        frame.rate = 16_000
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    return file.getvalue()
