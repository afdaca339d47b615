"""The sound encoder: its number of tokens, its size, and no influence of a batch on an item."""

import torch
from safetensors.torch import save_file

from coterie import serialization
from coterie.models.omni.encoders.base import parse_encoders
from coterie.models.omni.encoders.sound import SoundEncoder, average_states, encode_positions
from tests.tinies.base import seeded

TINY = SoundEncoder(bands=8, channels=(4, 8), dim=16, layers=1, heads=2, pool=4, hidden=16)


def test_counts() -> None:
    # 16 frames are halved three times, to 2 states, less than a token of 4: one; 100 to 13: 4.
    found = SoundEncoder().count_tokens(torch.tensor([16, 32, 33, 100]))
    assert found.tolist() == [1, 1, 2, 4]
    assert SoundEncoder().count_tokens(3000) == 94


def test_its_weights_fit_in_4_mb_of_float16() -> None:
    with torch.device("meta"):
        tower = SoundEncoder().build_tower()
    assert sum(weights.numel() for weights in tower.parameters()) < 2_000_000


def test_a_neighbour_changes_nothing() -> None:
    tower = seeded(TINY.build_tower)
    values, lengths = torch.randn(2, 8, 48), torch.tensor([19, 48])
    with torch.no_grad():
        both = TINY.encode(tower, values, lengths)
        alone = TINY.encode(tower, values[:1, :, :19], lengths[:1])
    # 19 frames are 5 states are 2 tokens; 48 are 12, 3.
    assert both.shape == (2, 3, 16) and alone.shape == (1, 2, 16)
    torch.testing.assert_close(both[:1, :2], alone, atol=1e-6, rtol=1e-5)


def test_the_last_token_is_the_mean_of_fewer_states() -> None:
    states = torch.tensor([[[1.0], [3.0], [5.0], [100.0]]])
    # (1 + 3) / 2, then 5 alone.
    found = average_states(states, torch.tensor([3]), pool=2)
    assert found.flatten().tolist() == [2, 5]


def test_positions_differ() -> None:
    found = encode_positions(3, 4)
    # sin and cos of 0, 1 and 2, and of a hundredth of these.
    assert found[0].tolist() == [0, 0, 1, 1]
    torch.testing.assert_close(found[1], torch.tensor([0.84147, 0.0099998, 0.54030, 0.99995]))


def test_saved_and_loaded(tmp_path) -> None:
    assert parse_encoders([serialization.dump(TINY)]) == (TINY,)
    tower = TINY.build_tower()
    save_file(tower.state_dict(), tmp_path / "model.safetensors")
    tower.load_state_dict(TINY.load_weights(tmp_path))
