"""Data sets of the datasets library, on disk and on the hub."""

import sys
from pathlib import Path

import datasets
import pytest

from coterie.data.sources.huggingface import load_from_disk, load_from_hub
from coterie.data.validation import RowReader, ValidatedDataset
from tests.data.files import png, tone, wav


def made() -> datasets.Dataset:
    found = datasets.Dataset.from_dict(
        {
            "image": [{"bytes": png("red"), "path": None}, {"bytes": b"no", "path": None}],
            "audio": [{"bytes": wav(tone()), "path": None}] * 2,
            "question": ["What?", "Who?"],
            "answer": [1, 0],
        }
    )
    for column, feature in {
        "image": datasets.Image(),
        "audio": datasets.Audio(),
        "answer": datasets.ClassLabel(names=["cat", "dog"]),
    }.items():
        found = found.cast_column(column, feature)
    return found


def test_a_saved_data_set(tmp_path: Path) -> None:
    made().save_to_disk(tmp_path / "d")
    source = load_from_disk(tmp_path / "d", split="train")
    rows = ValidatedDataset(source, RowReader(task="t"), check_media=True)
    assert not source.is_split and len(rows) == 1 and rows[0].answers == ("dog",)
    image, audio = rows[0].get_media()
    assert image.load().getpixel((0, 0)) == (255, 0, 0) and audio.load().shape == (1600,)
    assert [(bad.source, bad.field) for bad in rows.bad_rows] == [("d:2", "image")]


def test_splits(tmp_path: Path) -> None:
    datasets.DatasetDict(train=made(), test=made().select([1])).save_to_disk(tmp_path / "d")
    source = load_from_disk(tmp_path / "d", split="test")
    assert source.is_split and len(source) == 1 and source.describe_row(0) == "d/test:1"
    assert source[0]["question"] == "Who?" and source[0]["answer"] == "cat"
    with pytest.raises(ValueError, match=r"d has no split 'validation': it has train, test. Name"):
        load_from_disk(tmp_path / "d", split="validation")


def test_a_damaged_data_set(tmp_path: Path) -> None:
    made().save_to_disk(tmp_path / "d")
    (tmp_path / "d" / "data-00000-of-00001.arrow").write_bytes(b"no")
    with pytest.raises(ValueError, match=r"d is no data set that can be read: "):
        load_from_disk(tmp_path / "d", split="train")


def test_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def load(*given, **options):
        asked.append((given, options))
        return made() if options["split"] else datasets.DatasetDict(test=made())

    monkeypatch.setattr(datasets, "load_dataset", load)
    assert load_from_hub("hf:owner/name:conf", split="test").is_split
    assert not load_from_hub("hf:owner/name#train[:9%]", split="test").is_split
    assert asked == [
        (("owner/name", "conf"), {"split": None}),
        (("owner/name", None), {"split": "train[:9%]"}),
    ]


def test_the_hub_without_a_network() -> None:
    with pytest.raises(
        ValueError, match=r"hf:owner/name cannot be loaded: .*see that the name is right"
    ):
        load_from_hub("hf:owner/name", split="train")


def test_a_wrong_name() -> None:
    with pytest.raises(ValueError, match=r"'hf:a/b/c': give hf:owner/name"):
        load_from_hub("hf:a/b/c", split="train")


def test_a_missing_library_is_named(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ValueError, match=r"needs datasets, .*pip install 'coterie\[data\]'"):
        load_from_disk(tmp_path, split="train")
