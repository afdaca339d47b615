"""What is said of a missing library."""

import sys

import pytest

from coterie.extras import library


def test_a_missing_library_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "sacrebleu.metrics", None)
    with pytest.raises(ValueError, match=r"needs sacrebleu, .*pip install 'coterie\[evaluate\]'"):
        library("sacrebleu.metrics", "evaluate")
