"""Sounds begin with the first sound, have one peak, and are stored as FLAC."""

import numpy as np
import pytest
import soundfile

from coterie.modalities.audio import Audio
from coterie_demo.pantry.sounds import PEAK, encode_flac, read_recording, resample, trim


def test_a_recording_begins_with_its_first_sound(tmp_path):
    # 0.1 s of silence, 0.3 s of a tone at half of full scale: 4800 samples of it are left.
    tone = 0.5 * np.sin(np.arange(4800) / 4)
    soundfile.write(tmp_path / "a.wav", np.concatenate([np.zeros(1600), tone]), 16_000)
    whole = read_recording(tmp_path / "a.wav", seconds=1.0)
    assert len(whole) in (4799, 4800)  # the tone's first sample is 0
    assert np.abs(whole).max() == pytest.approx(PEAK, rel=0.01)
    cut = read_recording(tmp_path / "a.wav", seconds=0.1)
    assert len(cut) == 1600 and abs(cut[-1]) < 0.01


def test_of_silence_nothing_is_left():
    assert len(trim(np.zeros(100, np.float32), seconds=1.0)) == 0


def test_a_flac_file_has_the_samples():
    samples = np.linspace(-0.5, 0.5, 320, dtype=np.float32)
    assert np.abs(Audio().decode(encode_flac(samples)) - samples).max() < 1 / 32000
    assert len(resample(np.zeros(44_100, np.float32), 44_100)) == 16_000
