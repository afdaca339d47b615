"""Encoders are read from a configuration; their features go into one tensor and come out again."""

import dataclasses

import pytest
import torch

from coterie import TopK, serialization
from coterie.models.omni.encoders.base import (
    join_items,
    pack,
    parse_encoders,
    select_modality,
    split_items,
    unpack,
)
from tests.tinies.omni import encoders

IMAGE, AUDIO = (select_modality(encoders(), modality) for modality in ("image", "audio"))
NONE = torch.zeros(2, dtype=torch.long)


def test_dumped_encoders_come_back() -> None:
    given = encoders()
    assert parse_encoders([serialization.dump(each) for each in given]) == given
    assert [each.name for each in select_modality(given, "image")] == ["vision", "efficient"]
    assert parse_encoders(None) == ()


def test_what_is_no_encoder_is_refused() -> None:
    with pytest.raises(ValueError, match=r"encoders\[0\] holds a TopK \(coterie:TopK\), where a"):
        parse_encoders([serialization.dump(TopK(k=1))])


def test_a_name_is_used_once() -> None:
    twice = [serialization.dump(encoders()[0])] * 2
    with pytest.raises(ValueError, match=r"\['vision', 'vision'\]: give each a name of its own"):
        parse_encoders(twice)


def test_images() -> None:
    parts = [torch.randn(2, 4, 64), torch.randn(2, 1, 16)]
    packed = pack(parts)
    assert packed.shape == (2, 5, 64) and packed[:, 4, 16:].eq(0).all()
    for (_, found, own), part in zip(unpack(packed, NONE, IMAGE), parts, strict=True):
        assert torch.equal(found, part) and own.all()
    assert torch.equal(join_items(split_items(packed, NONE, IMAGE), IMAGE), packed)


def test_sounds_have_tokens_of_their_own() -> None:
    # 16 frames are 8 states are 2 tokens; 40 are 5.
    lengths = torch.tensor([16, 40])
    packed = torch.randn(2, 5, 32)
    found = split_items(packed, lengths, AUDIO)
    assert [len(item["audio"]) for item in found] == [2, 5]
    again = join_items(found, AUDIO)
    assert torch.equal(again[0, :2], packed[0, :2]) and again[0, 2:].eq(0).all()
    assert torch.equal(again[1], packed[1])


def test_another_number_of_tokens_is_refused() -> None:
    with pytest.raises(ValueError, match=r"have 6 tokens an item, but vision, efficient give 5"):
        list(unpack(torch.zeros(2, 6, 64), NONE, IMAGE))


@pytest.mark.parametrize("name", ["audio_b", "soundly"])
def test_a_name_says_the_modality(name: str) -> None:
    image = dataclasses.replace(encoders()[0], name=name)
    with pytest.raises(
        ValueError, match=rf"encoders\[0\].name = '{name}': it is an encoder of ima"
    ):
        parse_encoders([serialization.dump(image)])
    audio = dataclasses.replace(encoders()[2], name="speech")
    with pytest.raises(ValueError, match="it is an encoder of audio: begin it with audio, and not"):
        parse_encoders([serialization.dump(audio)])
