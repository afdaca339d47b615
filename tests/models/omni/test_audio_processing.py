"""Sounds are padded to their own next token, and heard alone."""

import numpy
import pytest
import torch
from transformers import WhisperFeatureExtractor

from coterie.models.omni.audio_processing import compute_spectrograms, count_mel_frames
from tests.tinies.omni import waves

EXTRACTOR = WhisperFeatureExtractor(feature_size=8, chunk_length=1)


def test_frames() -> None:
    # 160 samples a frame, 16 frames a step; 16000 samples, the most, are 100 frames.
    counts = (1, 2560, 2561, 15000, 16000)
    assert [count_mel_frames(numpy.zeros(n), EXTRACTOR) for n in counts] == [16, 16, 32, 96, 100]


def test_a_neighbour_changes_nothing() -> None:
    short, long = waves(0.3, 0.9)
    both = compute_spectrograms([short, long], EXTRACTOR)
    alone = compute_spectrograms([short], EXTRACTOR)
    assert both.values.shape == (2, 8, 96) and both.lengths.tolist() == [32, 96]
    assert torch.equal(both.values[:1, :, :32], alone.values)
    assert both.values[0, :, 32:].eq(0).all()


def test_a_whole_window_is_whisper_s() -> None:
    (wave,) = waves(1.0)
    wanted = EXTRACTOR(wave, sampling_rate=16000, return_tensors="pt")["input_features"]
    assert torch.equal(compute_spectrograms([wave], EXTRACTOR).values, wanted)


def test_what_is_no_sound_is_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(2, 5\): pass one row of samples, mono"):
        count_mel_frames(numpy.zeros((2, 5)), EXTRACTOR)
    with pytest.raises(ValueError, match=r"shape \(0,\)"):
        count_mel_frames(numpy.zeros(0), EXTRACTOR)
    with pytest.raises(ValueError, match=r"not finite: repair"):
        count_mel_frames(numpy.array([0.0, numpy.nan]), EXTRACTOR)
    with pytest.raises(ValueError, match=r"is 1\.5 s long; at most 1 s are allowed: cut it"):
        count_mel_frames(numpy.zeros(24000), EXTRACTOR)
