"""Folders of pictures and sounds."""

from pathlib import Path

import pytest

from coterie.data.columns import Columns
from coterie.data.sources.folder import FolderSource
from coterie.data.validation import RowReader, ValidatedDataset
from tests.data.files import jsonl, png, tone, wav

ASKED = RowReader(task="t", columns=Columns(prompt="What is it?"))


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(png() if name.endswith(".png") else wav(tone()))


def test_labels_are_the_names_of_subfolders(tmp_path: Path) -> None:
    fill(tmp_path, "dog/b.png", "cat/a.png", "cat/more/c.wav", ".hidden/x.png", "cat/.DS_Store")
    rows = ValidatedDataset(FolderSource(tmp_path), ASKED, check_media=True)
    assert rows.bad_rows == ()
    assert [(x.answers[0], x.get_media()[0].kind, x.get_last_user_text()) for x in rows] == [
        ("cat", "image", "What is it?"),
        ("cat", "audio", "What is it?"),
        ("dog", "image", "What is it?"),
    ]
    assert rows[0].source == f"{tmp_path.name}/cat/a.png"


def test_files_of_other_kinds_are_bad_rows(tmp_path: Path) -> None:
    fill(tmp_path, "cat/a.png")
    (tmp_path / "cat/notes.txt").write_text("x")
    (bad,) = ValidatedDataset(FolderSource(tmp_path), ASKED, check_media=True).bad_rows
    assert bad.source == f"{tmp_path.name}/cat/notes.txt"
    assert bad.reason.startswith("'cat/notes.txt' ends in '.txt': known are .png")


def test_metadata(tmp_path: Path) -> None:
    fill(tmp_path, "a.png", "b.wav")
    given = [
        {"file_name": "a.png", "question": "Who?", "answer": "me"},
        {"file_name": "b.wav", "question": "What?", "answer": "this"},
        {"question": "What?", "answer": "this"},
        {"file_name": "c.txt", "question": "What?", "answer": "this"},
    ]
    jsonl(tmp_path / "metadata.jsonl", given)
    rows = ValidatedDataset(FolderSource(tmp_path), RowReader(task="t"), check_media=True)
    assert [(x.answers[0], x.get_media()[0].kind) for x in rows] == [
        ("me", "image"),
        ("this", "audio"),
    ]
    assert [(bad.source, bad.field) for bad in rows.bad_rows] == [
        (f"{tmp_path.name}/metadata.jsonl:{line}", "file_name") for line in (3, 4)
    ]


def test_splits_are_no_labels(tmp_path: Path) -> None:
    fill(tmp_path, "train/cat/a.png", "test/cat/a.png")
    with pytest.raises(ValueError, match=r"has the subfolders test, train, which are splits, not"):
        FolderSource(tmp_path)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has neither metadata\.jsonl nor a subfolder"):
        FolderSource(tmp_path)
