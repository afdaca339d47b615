"""Whisper states, those of transformers, averaged over windows of a sound's own ones only."""

import pytest
import torch
from safetensors.torch import save_file
from transformers import WhisperConfig, WhisperModel
from transformers.models.whisper.modeling_whisper import WhisperEncoder as TransformersEncoder

from coterie.models.omni.encoders.whisper import WhisperEncoder, WhisperTower
from tests.tinies.base import seeded
from tests.tinies.omni import WHISPER

ENCODER = WhisperEncoder(config=WHISPER, pool=4)


def test_padding_changes_nothing() -> None:
    tower = ENCODER.build_tower().eval()
    mel = torch.randn(2, 8, 30)
    lengths = torch.tensor([30, 17])
    with torch.no_grad():
        both = ENCODER.encode(tower, mel, lengths)
        alone = ENCODER.encode(tower, mel[1:, :, :17], lengths[1:])
    # 30 frames are 15 states are 4 tokens, 17 are 9 are 3.
    assert ENCODER.count_tokens(30) == 4 and ENCODER.count_tokens(lengths).tolist() == [4, 3]
    assert both.shape == (2, 4, 32) and alone.shape == (1, 3, 32)
    torch.testing.assert_close(both[1, :3], alone[0], atol=1e-5, rtol=1e-5)


def test_the_last_token_is_the_mean_of_what_is_left() -> None:
    tower = ENCODER.build_tower().eval()
    mel, lengths = torch.randn(1, 8, 18), torch.tensor([18])
    with torch.no_grad():
        found, states = ENCODER.encode(tower, mel, lengths), tower(mel, lengths)
    torch.testing.assert_close(found[0, 0], states[0, :4].mean(0))
    torch.testing.assert_close(found[0, 2], states[0, 8])  # 9 states: 4, 4 and 1


def test_too_long_a_sound_is_refused() -> None:
    with pytest.raises(ValueError, match=r"has 101 frames of 10 ms; .*'audio' hears at most 100"):
        ENCODER.encode(ENCODER.build_tower(), torch.zeros(1, 8, 101), torch.tensor([101]))


def test_weights_are_those_of_the_encoder(tmp_path) -> None:
    whole = WhisperModel(
        WhisperConfig(decoder_layers=1, decoder_attention_heads=4, **WHISPER)
    ).eval()
    state = {f"model.{key}": value.clone() for key, value in whole.state_dict().items()}
    save_file(state, tmp_path / "model.safetensors")
    tower = ENCODER.build_tower().eval()
    tower.load_state_dict(ENCODER.load_weights(tmp_path))
    mel = torch.randn(1, 8, 100)
    with torch.no_grad():
        found = tower(mel, torch.tensor([100]))
        wanted = whole.encoder(mel).last_hidden_state
    assert torch.equal(found, wanted)


def test_a_whole_window_gives_what_transformers_gives() -> None:
    theirs = TransformersEncoder(WhisperConfig(**WHISPER)).eval()
    ours = WhisperTower(WhisperConfig(**WHISPER)).eval()
    state = theirs.state_dict()
    ours.load_state_dict({key.replace(".fc", ".mlp.fc"): state[key] for key in state})
    mel = torch.randn(2, 8, 100)
    with torch.no_grad():
        found = ours(mel, torch.tensor([100, 100]))
        assert torch.equal(found, theirs(mel).last_hidden_state)


def test_a_short_window_has_a_state_for_two_frames() -> None:
    tower = WhisperTower(WhisperConfig(**WHISPER)).eval()
    with torch.no_grad():
        assert tower(torch.randn(1, 8, 7), torch.tensor([7])).shape == (1, 4, 32)


def test_a_recording_of_two_chunks_is_each_of_them() -> None:
    # The encoder has positions for 50 states, 100 frames: a chunk of these, and one of 32.
    kind = WhisperEncoder(config=WHISPER, pool=1, chunks=2)
    tower = seeded(kind.build_tower).eval()
    mel, sizes = torch.randn(2, 8, 132), torch.tensor([132, 60])
    with torch.no_grad():
        found = kind.encode(tower, mel, sizes)
        first = kind.encode(tower, mel[:1, :, :100], torch.tensor([100]))
        second = kind.encode(tower, mel[:1, :, 100:], torch.tensor([32]))
        other = kind.encode(tower, mel[1:, :, :60], torch.tensor([60]))
    assert found.shape[1] == kind.count_tokens(132) == 66
    torch.testing.assert_close(found[:1], torch.cat([first, second], 1), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(found[1:, :30], other, atol=1e-6, rtol=1e-5)
