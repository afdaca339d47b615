"""What is said of a missing library."""

import sys

import pytest

from coterie.optional_imports import import_optional


def test_a_missing_library_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "sacrebleu.metrics", None)
    with pytest.raises(ValueError, match=r"needs sacrebleu, .*pip install 'coterie\[evaluate\]'"):
        import_optional("sacrebleu.metrics", "evaluate")
