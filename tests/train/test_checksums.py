"""Checksums of folders and of JSON files."""

from pathlib import Path

import pytest

from coterie.train.checksums import find_damage, seal, unseal, write_checksums


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("weights.safetensors", "state.json", "README.md"):
        (tmp_path / name).write_text(f"the content of {name}")
    write_checksums(tmp_path)
    assert find_damage(tmp_path) == ""
    return tmp_path


@pytest.mark.parametrize("name", ["weights.safetensors", "state.json"])
def test_every_damage_of_a_file_is_found(folder: Path, name: str) -> None:
    file = folder / name
    content = file.read_bytes()
    flipped = bytes([content[0] ^ 1, *content[1:]])
    for damaged in (b"", content[:9], b"garbage", flipped):
        file.write_bytes(damaged)
        assert find_damage(folder) == f"{name} is not as it was written"
    file.unlink()
    assert find_damage(folder) == f"{name} is missing"


def test_a_text_for_people_may_be_edited(folder: Path) -> None:
    (folder / "README.md").write_text("mine")
    assert find_damage(folder) == ""


def test_the_checksums_have_one_of_their_own(folder: Path) -> None:
    file = folder / "checksums.json"
    content = file.read_text()
    for damaged in ("", content[:30], content.replace('"state.json"', '"stale.json"'), "[1]"):
        file.write_text(damaged)
        assert find_damage(folder).startswith("checksums.json is damaged")
    file.unlink()
    assert find_damage(folder) == "checksums.json is missing"


def test_a_sealed_object_is_read_as_it_was() -> None:
    data = {"b": [1, 2.5], "a": {"x": None}}
    assert unseal(seal(data).encode()) == data
