"""YAML files that cannot be read, and frozen dataclasses from their mappings."""

import re
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
