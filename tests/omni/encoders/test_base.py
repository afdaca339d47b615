"""Encoders are read from a configuration, which may be wrong."""

import pytest

from coterie import TopK, spec
from coterie.omni.encoders.base import encoders_of, of_modality
from tests.tinies.omni import encoders


def test_dumped_encoders_come_back() -> None:
    given = encoders()
    assert encoders_of([spec.dump(each) for each in given]) == given
    assert [each.name for each in of_modality(given, "image")] == ["vision", "efficient"]
    assert encoders_of(None) == ()


def test_what_is_no_encoder_is_refused() -> None:
    with pytest.raises(ValueError, match=r"encoders\[0\] = TopK.* is no encoder: give the"):
        encoders_of([spec.dump(TopK(k=1))])


def test_a_name_is_used_once() -> None:
    twice = [spec.dump(encoders()[0])] * 2
    with pytest.raises(ValueError, match=r"\['vision', 'vision'\]: give each a name of its own"):
        encoders_of(twice)
