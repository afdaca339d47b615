"""The audio tower against the one of transformers, where that can run."""

import torch
from transformers import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from coterie.models.omni.whisper_encoder import WhisperTower
from tests.tinies.omni import WHISPER


def test_a_whole_window_gives_what_transformers_gives() -> None:
    theirs = WhisperEncoder(WhisperConfig(**WHISPER)).eval()
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
