"""Spectrograms are those of Whisper, padded to the next token of each recording itself."""

import numpy as np
import pytest
import torch
from transformers import WhisperFeatureExtractor

from coterie.models.omni.spectrograms import compute_spectrograms, count_mel_frames
from tests.tinies.omni import waves

EXTRACTOR = WhisperFeatureExtractor(feature_size=8, chunk_length=1)


def test_frames() -> None:
    # 160 samples a frame, 16 frames a step; 16000 samples, the most, are 100 frames.
    counts = (1, 2560, 2561, 15000, 16000)
    assert [count_mel_frames(np.zeros(n), EXTRACTOR) for n in counts] == [16, 16, 32, 96, 100]


def test_a_neighbour_changes_nothing() -> None:
    short, long = waves(0.3, 0.9)
    both, lengths = compute_spectrograms([short, long], EXTRACTOR)
    alone, _ = compute_spectrograms([short], EXTRACTOR)
    assert both.shape == (2, 8, 96) and lengths.tolist() == [32, 96]
    assert torch.equal(both[:1, :, :32], alone)
    assert both[0, :, 32:].eq(0).all()


def test_a_whole_window_is_whisper_s() -> None:
    (wave,) = waves(1.0)
    wanted = EXTRACTOR(wave, sampling_rate=16000, return_tensors="pt")["input_features"]
    assert torch.equal(compute_spectrograms([wave], EXTRACTOR)[0], wanted)


def test_what_is_no_sound_is_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(2, 5\): pass one row of samples, mono"):
        count_mel_frames(np.zeros((2, 5)), EXTRACTOR)
    with pytest.raises(ValueError, match=r"shape \(0,\)"):
        count_mel_frames(np.zeros(0), EXTRACTOR)
    with pytest.raises(ValueError, match=r"not finite: repair"):
        count_mel_frames(np.array([0.0, np.nan]), EXTRACTOR)
    with pytest.raises(ValueError, match=r"is 1\.5 s long; at most 1 s are allowed: cut it"):
        count_mel_frames(np.zeros(24000), EXTRACTOR)


def test_chunks_are_computed_one_by_one() -> None:
    (wave,) = waves(1.25)
    found, lengths = compute_spectrograms([wave], EXTRACTOR, chunks=2)
    # A chunk of 16000 samples is 100 frames; the other 4000 samples are padded to 5120, 32.
    assert lengths.tolist() == [132] and count_mel_frames(wave, EXTRACTOR, 2) == 132
    assert torch.equal(found[..., :100], compute_spectrograms([wave[:16000]], EXTRACTOR)[0])
    assert torch.equal(found[..., 100:], compute_spectrograms([wave[16000:]], EXTRACTOR)[0])
    with pytest.raises(ValueError, match=r"is 1\.2 s long; at most 1 s"):
        count_mel_frames(wave, EXTRACTOR)
