"""A run whose base and rows have moved, in a folder that is not to be written to."""

import shutil
from pathlib import Path

import pytest

from coterie.train import Run
from tests.cli.calls import Calls
from tests.cli.folders import llama_folder, text_tasks


def contents(folder: Path) -> dict[str, bytes]:
    files = [each for each in folder.rglob("*") if each.is_file()]
    return {str(each.relative_to(folder)): each.read_bytes() for each in files}


def test_a_run_moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, coterie: Calls) -> None:
    monkeypatch.chdir(tmp_path)
    before, after = tmp_path / "before", tmp_path / "after"
    llama_folder(before / "model")
    text_tasks(before / "data")
    data = ("--base", "before/model", "--tasks", "before/data/tasks.yaml")
    small = ("--steps", "1", "--batch-size", "2", "--set", "rank=4")
    called = coterie("train", "shared_lora", *data, *small, "--out", "before/my run")
    assert called.code == 0 and called.out.endswith("next: coterie evaluate 'before/my run'\n")
    shutil.move(before, after)

    run = "after/my run"
    called = coterie("evaluate", run)
    assert called.code == 2 and "first.test.jsonl, which is not there" in called.err
    assert "--tasks or Run.read(folder, tasks=...)" in called.err
    called = coterie("generate", run, "--task", "first", "what is 1?")
    assert called.code == 2 and f"the base model {before}/model, which is not there" in called.err
    assert "--base or Run.read(folder, base=...)" in called.err

    moved = ("--base", "after/model", "--tasks", "after/data/tasks.yaml")
    was = contents(after / "my run")
    called = coterie("evaluate", run, *moved, "--to", "scored")
    assert called.code == 0 and "| first |" in called.out, called
    command = f"coterie evaluate '{run}' {' '.join(moved)} --to scored --untrained"
    assert called.out.endswith(f"next: {command}, to see what training added\n")
    assert contents(after / "my run") == was
    assert coterie("generate", run, *moved, "--task", "first", "what is 1?").code == 0
    assert coterie("diagnose", run, *moved, "--batches", "2", "--batch-size", "2").code == 0
    merged = ("--format", "merged", "--to", "plain")
    assert coterie("extract", run, *moved, "--task", "first", *merged).code == 0
    called = coterie("report", "scored", "--to", "page.html")
    assert called.code == 0 and "what is" in (tmp_path / "page.html").read_text(), called
    assert coterie("compare", "scored", "--baseline", "scored").code == 0
    assert contents(after / "my run") == was
    called = coterie("evaluate", run, *moved, "--to", "after/data")
    assert called.code == 2 and "after/data is not empty" in called.err
    with pytest.raises(ValueError, match="tasks=first: the run was trained on first, second; give"):
        Run.read(run, tasks=Run.read("scored").config.tasks.select(["first"]))
