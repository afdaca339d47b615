import struct

import numpy as np
import pytest

from coterie_demo.ctranslate2 import read_variables
from tests.demo.tiny_ctranslate2 import model, word


def test_names_shapes_and_types_come_back() -> None:
    wanted = {
        "a/half": np.arange(6, dtype=np.float16).reshape(2, 3),
        "b/single": np.array([1.5], np.float32),
        "c/heads": np.array(8, np.int16),
        "d/flag": np.array(1, np.int8),
        "e/whole": np.array([1, -2], np.int32),
    }
    found = read_variables(model(wanted))
    assert list(found) == list(wanted)
    for name, values in wanted.items():
        assert found[name].dtype == values.dtype
        np.testing.assert_array_equal(found[name], values)


def test_another_layout_is_refused() -> None:
    with pytest.raises(ValueError, match="has layout 5, and only 6 is read"):
        read_variables(struct.pack("<I", 5))


def test_a_file_that_is_cut_short_is_refused() -> None:
    whole = model({"a": np.zeros(4, np.float32)})
    # 4 floats are the last 16 bytes before the 4 bytes that say there are no aliases.
    cut = whole[: len(whole) - 5]
    with pytest.raises(ValueError, match=f"cut short: {len(whole) - 4} bytes wanted, {len(cut)}"):
        read_variables(cut)


def test_a_type_that_is_not_read_is_refused() -> None:
    head = struct.pack("<I", 6) + word("S") + struct.pack("<II", 3, 1)
    with pytest.raises(ValueError, match="a is of CTranslate2's type 5; 0 to 4 are read"):
        read_variables(head + word("a") + struct.pack("<BB", 0, 5))
