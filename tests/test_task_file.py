"""tasks.yaml of text tasks, dense data sets and a kind outside coterie; bad YAML of all kinds."""

import os
import re
from collections.abc import Mapping
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import pytest

from coterie import plugins
from coterie.task_file import find_dataset_kinds, find_task_set_kinds, load_yaml, read_tasks
from coterie.tasks import DenseTasks, TextTask, TextTasks
from coterie.tasks.dense import task_file
from coterie_demo.scenes.dataset import Scenes
from tests.data.files import jsonl


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    jsonl(tmp_path / "r.jsonl", [{"question": "q", "answer": "a"}])
    return tmp_path


def test_a_missing_file(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"no\.yaml cannot be read: No such file"):
        read_tasks(folder / "no.yaml")


def test_the_pantry(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTERIE_HOME", str(tmp_path / "home"))
    with pytest.raises(
        ValueError, match=r"the pantry is not fetched: no tasks in .*: run `coterie fetch pantry`"
    ):
        read_tasks("pantry")
    home = tmp_path / "home" / "pantry"
    home.mkdir(parents=True)
    jsonl(home / "r.jsonl", [{"question": "q", "answer": "a"}])
    items = "".join(f"- {{name: {name}, rows: r.jsonl}}\n" for name in ("naming", "ocr", "count"))
    (home / "tasks.yaml").write_text(f"tasks:\n{items}")
    assert read_tasks("pantry").names == ("naming", "ocr", "count")
    (home / "tasks.yaml").rename(home / "now")
    (home / "tasks.yaml").write_text("tasks: [{name: a, rows: {photo: a.jsonl}}]")
    with pytest.raises(ValueError, match=r"no split.*another version.*run `coterie fetch pantry`"):
        read_tasks("pantry")
    (home / "now").rename(home / "tasks.yaml")
    assert read_tasks("pantry:ocr,naming").names == ("ocr", "naming")
    with pytest.raises(
        ValueError,
        match=r"pantry: there is no task 'orc' \(did you mean ocr\?\): give one of naming.*; "
        "`coterie fetch pantry` builds what is missing",
    ):
        read_tasks("pantry:orc")


def test_some_tasks_of_a_file(folder: Path) -> None:
    (folder / "tasks.yaml").write_text(
        "tasks: [{name: a, rows: r.jsonl}, {name: b, rows: r.jsonl}]"
    )
    file = folder / "tasks.yaml"
    both = read_tasks(file)
    assert read_tasks(f"{file}:b,a").names == ("b", "a")
    assert read_tasks(f"{file}:b") == both.select(("b",))
    with pytest.raises(ValueError, match=re.escape(f"{file}: there is no task 'c'")):
        read_tasks(f"{file}:c")


def test_the_rendered_dense_set(unchecked: None) -> None:
    assert read_tasks("scenes") == DenseTasks(dataset=Scenes())
    assert read_tasks("scenes:depth,edges") == DenseTasks(dataset=Scenes(names=("depth", "edges")))
    with pytest.raises(ValueError, match=re.escape("(did you mean depth?)")):
        read_tasks("scenes:dept")


def test_the_rendered_dense_set_without_the_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugins, "entry_points", lambda group: ())
    message = "'scenes' is not installed, as it comes with an extra: pip install 'coterie[scenes]'"
    with pytest.raises(ValueError, match=re.escape(message)):
        read_tasks("scenes:depth")
    monkeypatch.setattr(task_file, "list_dataset_kinds", lambda: {})  # as if never imported
    (tmp_path / "dense.yaml").write_text("pictures: {set: scenes}")
    with pytest.raises(ValueError, match=re.escape(f"dense.yaml: pictures.set: {message}")):
        read_tasks(tmp_path / "dense.yaml")


def test_every_set_has_a_name_and_tasks_to_choose() -> None:
    found = find_dataset_kinds().items()
    kinds = {name: kind for name, kind in found if ":" not in name}  # other tests' have one
    assert [*kinds] == ["nyuv2", "pascal_context", "scenes", "taskonomy"]
    assert all("names" in {field.name for field in fields(kind)} for kind in kinds.values())


class NoteTasks(TextTasks):
    """A third kind of task set, which nothing in coterie knows."""

    yaml_key: ClassVar[str] = "notes"

    @classmethod
    def from_yaml(cls, items: Mapping[Any, Any], path: Path) -> "NoteTasks":
        return cls(
            tasks=tuple(TextTask(name=name, rows={"train": path.name}) for name in items["notes"])
        )


def test_a_third_kind_is_found_by_its_key(tmp_path: Path) -> None:
    assert find_task_set_kinds()["notes"] is NoteTasks
    (tmp_path / "mine.yaml").write_text("notes: [a, b]")
    found = read_tasks(tmp_path / "mine.yaml")
    assert isinstance(found, NoteTasks) and found.names == ("a", "b")


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
