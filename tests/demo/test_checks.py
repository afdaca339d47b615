"""Checks of `coterie doctor` on what was fetched and rendered, and on package clients."""

from pathlib import Path

import pytest

from coterie_demo import checks
from coterie_demo.pantry import contents


def test_what_was_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTERIE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", str(tmp_path))
    found = {each.subject: each for each in checks.check_downloads()}
    assert found["pantry"].status == "off" and found["pantry"].advice == "coterie fetch pantry"
    assert found["npm"].status == found["apt-get"].status == "off"
    (tmp_path / "home" / "pantry").mkdir(parents=True)
    folder = tmp_path / "home" / "pantry"
    (folder / "tasks.yaml").write_text("tasks: []")
    found = {each.subject: each for each in checks.check_downloads()}
    assert found["pantry"].details == "fetched, but damaged, 1 files, 0.00 GiB"
    (folder / "card.json").write_text("{}")
    ocr = next(task for task in contents.list_tasks() if task.name == "ocr")
    for splits, said in (
        ({ocr: ("test",)}, ", 1 of 19 tasks"), (contents.select_splits(None), "")
    ):  # fmt: skip
        (folder / "tasks.yaml").write_text(contents.to_tasks_yaml(splits))
        pantry = {each.subject: each for each in checks.check_downloads()}["pantry"]
        assert pantry.details == f"fetched{said}, 2 files, 0.00 GiB"
        assert pantry.advice == ("coterie fetch pantry" if said else "")


def test_scenes_that_were_rendered(tmp_path: Path) -> None:
    folder = tmp_path / "scenes"
    none = checks.check_scenes(folder)
    assert (none.status, none.advice) == ("off", "coterie fetch scenes")
    assert none.details == "not rendered; only dense tasks need them"
    (folder / "test").mkdir(parents=True)
    (folder / "scenes.json").write_text('{"train": 0, "validation": 0, "test": 2}')
    (folder / "test" / "000000.npz").write_bytes(b"")
    assert checks.check_scenes(folder).details == "1 of 2 rendered"
    (folder / "test" / "000001.npz").write_bytes(b"")
    assert checks.check_scenes(folder).details == "rendered, 3 files, 0.00 GiB"
    (folder / "scenes.json").write_text('{"train": 0}')
    damaged = checks.check_scenes(folder)
    assert damaged.status == "off" and "is damaged (KeyError('validation'))" in damaged.details
