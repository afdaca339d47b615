"""Folders of pictures and sounds."""

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coterie.data.columns import Columns
from coterie.data.sources.folder import FolderSource, find_files
from coterie.data.sources.opening import open_rows
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
    source = open_rows(tmp_path, split="train")
    rows = ValidatedDataset(source, RowReader(task="t"), check_media=True)
    assert [(x.answers[0], x.get_media()[0].kind) for x in rows] == [
        ("me", "image"),
        ("this", "audio"),
    ]
    assert [(bad.source, bad.field) for bad in rows.bad_rows] == [
        (f"{tmp_path.name}/metadata.jsonl:{line}", "file_name") for line in (3, 4)
    ]
    assert rows.list_notices() == []  # file_name is the picture or sound


def test_columns_that_repeat_others_are_not_called_unread(tmp_path: Path) -> None:
    fill(tmp_path, "a.png", "cat/a.png")
    rows = [{"file_name": "a.png", "text": "red"}]
    jsonl(tmp_path / "metadata.jsonl", rows)
    texts = Columns(prompt="What is it?", answer="text")
    for reader in (ASKED, RowReader(task="t", columns=texts)):
        read = ValidatedDataset(open_rows(tmp_path, split="train"), reader, check_media=True)
        assert read[0].answers == ("red",) and read.list_notices() == []
    jsonl(tmp_path / "metadata.jsonl", [rows[0] | {"size": 3}])
    read = ValidatedDataset(
        open_rows(tmp_path, split="train"), RowReader(task="t", columns=texts), check_media=True
    )
    [notice] = read.list_notices()
    assert notice.endswith("columns that are not read: size")
    (tmp_path / "metadata.jsonl").unlink()  # now the names of subfolders are the answers
    read = ValidatedDataset(FolderSource(tmp_path), ASKED, check_media=True)
    assert read[0].answers == ("cat",) and read.list_notices() == []


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet", "csv.gz"])
def test_metadata_wins_over_the_names_of_subfolders(tmp_path: Path, ending: str) -> None:
    fill(tmp_path, "x/a.png")
    row = {"file_name": "x/a.png", "text": "a red square"}
    metadata = tmp_path / f"metadata.{ending}"
    if ending == "parquet":
        pq.write_table(pa.Table.from_pylist([row]), metadata)
    elif ending == "jsonl":
        jsonl(metadata, [row])
    else:
        content = b"file_name,text\nx/a.png,a red square\n"
        metadata.write_bytes(gzip.compress(content) if ending.endswith("gz") else content)
    reader = RowReader(task="t", columns=Columns(prompt="What?", answer="text"))
    (sample,) = ValidatedDataset(open_rows(tmp_path, split="train"), reader, check_media=True)
    assert sample.answers == ("a red square",) and len(sample.get_media()) == 1
    source = open_rows(tmp_path, split="train")  # the only column beside the file is the answer
    assert source[0]["answer"] == "a red square"


def test_two_files_of_metadata(tmp_path: Path) -> None:
    for name in ("metadata.csv", "metadata.jsonl"):
        (tmp_path / name).write_text("file_name\n")
    with pytest.raises(ValueError, match=r"has metadata\.csv, metadata\.jsonl: keep one"):
        open_rows(tmp_path, split="train")


def test_further_columns_of_files(tmp_path: Path) -> None:
    row = {"image_file_name": "a.png", "audio_file_names": ["b.wav"], "n": 1}
    assert dict(find_files(row)) == {"image": "a.png", "audio": ["b.wav"]}


def test_splits_are_no_labels(tmp_path: Path) -> None:
    fill(tmp_path, "train/cat/a.png", "val/cat/a.png", "val/dog/b.png")
    source = open_rows(tmp_path, split="validation")
    assert source.is_split and [source[i]["answer"] for i in range(2)] == ["cat", "dog"]
    with pytest.raises(ValueError, match=r"has no split 'test': it has train, val"):
        open_rows(tmp_path, split="test")


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has no files of rows .*nor a subfolder"):
        FolderSource(tmp_path)
