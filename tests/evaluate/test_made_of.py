"""What makes predictions stale."""

from dataclasses import replace
from pathlib import Path

import pytest

from coterie.data.media import Media
from coterie.data.sample import Turn
from coterie.evaluate.made_of import adapter_digest, keep, kept, samples_digest
from tests.evaluate.runs import sample


def test_samples_are_told_apart_by_words_answers_and_media() -> None:
    one = sample("a", 0)
    pictures = [
        replace(one, turns=(Turn(role="user", parts=(Media(kind="image", content=content),)),))
        for content in (b"x", b"y")
    ]
    others = [sample("a", 1), replace(one, answers=("no",)), *pictures]
    assert len({samples_digest([each]) for each in (one, *others)}) == 5
    assert samples_digest([one]) == samples_digest([sample("a", 0)])


def test_an_adapter_is_known_by_its_bytes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has no trained adapter in adapter/: train it first"):
        adapter_digest(tmp_path / "adapter")
    file = tmp_path / "adapter_model.safetensors"
    file.write_bytes(b"1")
    (tmp_path / "README.md").write_text("says nothing")
    first = adapter_digest(tmp_path)
    file.write_bytes(b"2")
    assert adapter_digest(tmp_path) != first


def test_facts_are_kept_with_what_they_are_of(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    assert kept(path, {"adapter": "x"}) is None
    made = keep(path, {"adapter": "x"}, seconds=1.5)
    assert kept(path, {"adapter": "x"}) == made and made["seconds"] == 1.5
    assert kept(path, {"adapter": "y"}) is None
