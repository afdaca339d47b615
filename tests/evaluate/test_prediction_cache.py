"""What makes predictions stale."""

from pathlib import Path

import pytest

from coterie.evaluate.prediction_cache import (
    compute_adapter_digest,
    load_if_fresh,
    store,
)


def test_an_adapter_is_known_by_its_bytes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has no trained adapter in adapter/: train it first"):
        compute_adapter_digest(tmp_path / "adapter")
    file = tmp_path / "adapter_model.safetensors"
    file.write_bytes(b"1")
    (tmp_path / "README.md").write_text("says nothing")
    first = compute_adapter_digest(tmp_path)
    file.write_bytes(b"2")
    assert compute_adapter_digest(tmp_path) != first


def test_facts_are_kept_with_what_they_are_of(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    assert load_if_fresh(path, {"adapter": "x"}) is None
    made = store(path, {"adapter": "x"}, seconds=1.5)
    assert load_if_fresh(path, {"adapter": "x"}) == made and made["seconds"] == 1.5
    assert load_if_fresh(path, {"adapter": "y"}) is None
