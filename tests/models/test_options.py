"""Options of loading: what they refuse."""

import pytest

from coterie.models.options import ModelOptions


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"quantize": "2bit"}, "quantize='2bit': allowed are '4bit', '8bit', 'int8', or None"),
        ({"attention": " "}, "attention=' ': give a name, such as 'sdpa'"),
        ({"attention": "someone/kernel"}, "attention='someone/kernel' is code on the hub"),
        ({"max_pixels": 0}, "max_pixels=0: it must be at least 1"),
    ],
)
def test_values_that_are_not_allowed(given, said, unchecked) -> None:
    with pytest.raises(ValueError, match=said):
        ModelOptions(**given)
