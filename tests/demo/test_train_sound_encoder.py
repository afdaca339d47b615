"""The shipped sound encoder, and the parts of its training."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import WhisperFeatureExtractor

from coterie.models.omni.encoders.sound import SoundEncoder
from coterie_demo.locations import SOUND_ENCODER
from coterie_demo.pantry.tasks.drums import KITS_OF_SPLIT
from coterie_demo.train_sound_encoder import (
    FRAMES,
    SPEEDS,
    Labelled,
    compute_spectrum,
    draw_batch,
    take_logarithm,
    train,
    vary,
    vary_speed,
)


def test_what_it_is_trained_on_is_what_the_model_hears():
    samples = torch.randn(FRAMES * 160, generator=torch.Generator().manual_seed(0)) / 10
    mel = take_logarithm(compute_spectrum(samples)[None])[0]
    extractor = WhisperFeatureExtractor()
    options = {"sampling_rate": 16_000, "return_tensors": "np", "padding": "do_not_pad"}
    expected = extractor(samples.numpy(), **options)["input_features"][0]
    assert np.abs(mel.numpy() - expected).max() < 1e-3


def test_the_shipped_file_is_small_and_says_what_it_was_trained_on():
    state = load_file(SOUND_ENCODER)
    tower = SoundEncoder().build_tower()
    tower.load_state_dict(state)
    assert sum(value.numel() for value in state.values()) <= 2_000_000
    assert SOUND_ENCODER.stat().st_size <= 4_000_000
    assert {value.dtype for value in state.values()} == {torch.float16}
    with safe_open(SOUND_ENCODER, "pt") as file:
        facts = json.loads(file.metadata()["provenance"])
    assert facts["kits"] == list(KITS_OF_SPLIT["train"])
    assert {source["licence"] for source in facts["sources"]} >= {"MIT", "GPL-2.0-or-later"}


def test_spectra_are_varied_and_stay_finite():
    torch.manual_seed(0)
    varied = vary(torch.rand(4, 80, FRAMES))
    assert varied.shape == (4, 80, FRAMES) and torch.isfinite(varied).all() and (varied > 0).all()


def test_speeds_by_hand():
    # A thousand samples, at speed s, are 999 / s places, rounded up; and the sounds themselves.
    found = vary_speed([(3, np.zeros(1000, np.float32))])
    lengths = [1000, *(int(np.ceil(999 / speed)) for speed in SPEEDS)]
    assert [(kind, len(samples)) for kind, samples in found] == [(3, n) for n in lengths]


@pytest.fixture
def kinds() -> dict[str, Labelled]:
    spectra = torch.rand(6, 80, FRAMES, generator=torch.Generator().manual_seed(0))
    return {"few": Labelled(spectra=spectra, labels=torch.arange(6) % 2, names=("a", "b"))}


def test_shares_of_labels_are_one_in_all(kinds):
    torch.manual_seed(0)
    spectra, wanted = draw_batch(kinds["few"], 16)
    assert spectra.shape == (16, 80, FRAMES)
    assert torch.allclose(wanted.sum(1), torch.ones(16)) and wanted.min() >= 0


def test_the_same_seed_gives_the_same_network(kinds):
    states = []
    for _ in range(2):
        torch.manual_seed(0)
        states.append(train({"few": replace(kinds["few"])}, steps=2).state_dict())
    assert all(torch.equal(states[0][name], value) for name, value in states[1].items())
