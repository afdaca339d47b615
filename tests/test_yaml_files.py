"""YAML files that cannot be read, and frozen dataclasses from their mappings."""

import os
import re
from itertools import pairwise
from pathlib import Path

import pytest

from coterie.tasks.dense.vision_config import VisionConfig
from coterie.yaml_files import construct_from_yaml, load_yaml


def test_plain_values(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: [1, 2.5, b]\nc: {d: null}")
    assert load_yaml(tmp_path / "a.yaml") == {"a": [1, 2.5, "b"], "c": {"d": None}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [", "a.yaml is not YAML: "),
        (b"a: \xff", "a.yaml is not UTF-8: byte 3 is wrong"),
        (b"a: 1\nb: 2\na: 3", "the key 'a' comes twice"),
        (b"!!python/name:os.system ", "could not determine a constructor"),
    ],
)
def test_damaged_files(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        load_yaml(tmp_path / "a.yaml")
    assert "\n" not in str(error.value)


LETTERS = "abcdefghij"
BOMB = "a: &a [x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in pairwise(LETTERS)
)
"""Ten lines that stand for 9 ** 9 values."""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[" * 900, "is nested more than 50 deep"),
        ("{a: " * 60 + "}" * 60, "is nested more than 50 deep"),
        ("- " * 5000, "is nested more than 50 deep"),
        (BOMB, "values, with its aliases: at most 100000"),
        ("a: &a [*a]", "has an alias within what it stands for"),
        ("x" * (2**18 + 1), "cannot be read: it has 262145 bytes, and at most 262144 are read"),
        ("a: 2020-99-99", "has a value that cannot be read: month must be in 1..12"),
    ],
)
def test_bombs(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(content)
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        load_yaml(tmp_path / "a.yaml")
    assert "a.yaml" in str(error.value) and len(str(error.value)) < 500


def test_many_keys_and_aliases_in_use(tmp_path: Path) -> None:
    keys = "".join(f"k{i}: 1\n" for i in range(10_000))
    (tmp_path / "a.yaml").write_text(f"a: &a {{x: 1}}\nb: *a\nc: {{<<: *a, y: 2}}\n{keys}")
    found = load_yaml(tmp_path / "a.yaml")
    assert len(found) == 10_003 and found["b"] == {"x": 1} and found["c"] == {"x": 1, "y": 2}


def test_pipes_and_devices(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    for path in (tmp_path / "a.yaml", Path("/dev/zero")):
        with pytest.raises(ValueError, match="it is no regular file, but a device, a pipe"):
            load_yaml(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no\.yaml cannot be read: No such file"):
        load_yaml(tmp_path / "no.yaml")


def test_fields_of_a_dataclass() -> None:
    found = construct_from_yaml(VisionConfig, {"size": [14, 28], "embedding_std": 1}, "f: vision")
    assert found == VisionConfig(size=(14, 28), embedding_std=1.0)
    assert isinstance(found.embedding_std, float)
    for items, message in (
        (3, "f: vision = 3: give fields of VisionConfig"),
        ({"head": 3}, "f: vision.head takes typing.Literal["),
        ({"hed": "linear"}, "has no field 'hed' (did you mean head?)"),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            construct_from_yaml(VisionConfig, items, "f: vision")
