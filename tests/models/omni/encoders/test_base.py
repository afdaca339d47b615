"""Encoders are read from a configuration, which may be wrong."""

import pytest

from coterie import TopK, serialization
from coterie.models.omni.encoders.base import parse_encoders, select_modality
from tests.tinies.omni import encoders


def test_dumped_encoders_come_back() -> None:
    given = encoders()
    assert parse_encoders([serialization.dump(each) for each in given]) == given
    assert [each.name for each in select_modality(given, "image")] == ["vision", "efficient"]
    assert parse_encoders(None) == ()


def test_what_is_no_encoder_is_refused() -> None:
    with pytest.raises(ValueError, match=r"encoders\[0\] = TopK.* is no encoder: give the"):
        parse_encoders([serialization.dump(TopK(k=1))])


def test_a_name_is_used_once() -> None:
    twice = [serialization.dump(encoders()[0])] * 2
    with pytest.raises(ValueError, match=r"\['vision', 'vision'\]: give each a name of its own"):
        parse_encoders(twice)
