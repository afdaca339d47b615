"""Finding a family, and the map from rows to samples, worked by hand."""

import pytest
import torch
from torch import nn

from coterie import families
from coterie.families.base import ModelFamily, compute_sample_index, find_family
from coterie.families.llava import Llava
from coterie.families.qwen_vl import QwenVl
from coterie.serialization import find_kinds
from coterie.tuner.injection import is_role
from tests.tiny import TINY

IMAGE, VIDEO = 7, 8


class Config:
    """What `ModelFamily` reads of a configuration."""

    image_token_id = IMAGE
    video_token_id = VIDEO


@pytest.mark.parametrize(
    ("shares", "rows", "owners"),
    [
        ([1.0, 2.0], 3, [0, 1, 1]),
        # 2 and 5 tokens, each of four patches: 8 and 20 of 28 rows.
        ([2.0, 5.0], 28, [0] * 8 + [1] * 20),
        ([16.0, 32.0], 3, [0, 1, 1]),
        # A sample without images owns nothing, wherever it stands.
        ([0.0, 1.0, 0.0, 1.0, 0.0], 4, [1, 1, 3, 3]),
        # 3 and 4 frames of 10 tokens, each video with one token more: ends 31 / 72 * 7 = 3.01.
        ([31.0, 41.0], 7, [0, 0, 0, 1, 1, 1, 1]),
        ([0.0, 0.0], 2, [1, 1]),
        ([1.0, 1.0], 0, []),
    ],
)
def test_sample_index(shares: list[float], rows: int, owners: list[int]) -> None:
    assert compute_sample_index(torch.tensor(shares), rows).tolist() == owners


def test_sample_index_is_exact_for_long_rows() -> None:
    shares = torch.tensor([1.0, 333_333.0, 2.0, 166_664.0])
    owners = compute_sample_index(shares, 1_000_000)
    assert owners.bincount().tolist() == [2, 666_666, 4, 333_328]


def test_unknown_models_have_no_host() -> None:
    assert find_family(nn.Linear(2, 2)) is None


@pytest.mark.parametrize("family", TINY)
def test_every_tiny_model_has_a_host(family: str) -> None:
    model = TINY[family]().model
    host = find_family(model)
    assert host is not None and model.config.model_type in host.model_types
    assert find_family(model) is host
    assert all(is_role(role) for role in host.roles)


def test_no_model_type_is_claimed_twice() -> None:
    claimed = [name for kind in find_kinds(families, ModelFamily) for name in kind.model_types]
    assert sorted(claimed) == sorted(set(claimed))


def test_shares_count_placeholders() -> None:
    ids = torch.tensor([[1, IMAGE, 2, 0], [IMAGE, IMAGE, 3, IMAGE]])
    assert Llava().count_rows_per_sample("vision", {"input_ids": ids}, Config).tolist() == [1, 3]


def test_shares_count_videos_too() -> None:
    ids = torch.tensor([[1, VIDEO, VIDEO], [VIDEO, 1, 1]])
    assert QwenVl().get_placeholder_ids(Config) == {"image": IMAGE, "video": VIDEO}
    assert QwenVl().count_rows_per_sample("vision", {"input_ids": ids}, Config).tolist() == [2, 1]


def test_shares_refuse_what_is_not_clear() -> None:
    ids = torch.tensor([[IMAGE, VIDEO]])
    pixels = torch.zeros(4, 3)
    with pytest.raises(ValueError, match="input_ids is missing"):
        QwenVl().count_rows_per_sample("vision", {"inputs_embeds": torch.zeros(1, 2, 4)}, Config)
    both = {"input_ids": ids, "pixel_values": pixels, "pixel_values_videos": pixels}
    with pytest.raises(ValueError, match="separate batches"):
        QwenVl().count_rows_per_sample("vision", both, Config)
