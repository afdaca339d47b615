"""Samples that were valid once are not read again while their files stay the same."""

import os

import pytest
from PIL import Image

from coterie.data.dataset import RowError
from coterie.data.sample import MediaFile
from coterie.data.validation_cache import DecodeCache
from coterie.datasets.nyuv2 import Nyuv2
from coterie.datasets.pascal_context import PascalContext
from coterie.datasets.taskonomy import Taskonomy
from tests.datasets.written import nyuv2, pascal, taskonomy

SETS = {
    "nyuv2": (nyuv2, lambda folder: Nyuv2(folder=folder), "Nyuv2Split"),
    "pascal_mt": (pascal, lambda folder: PascalContext(folder=folder), "PascalContextSplit"),
    "taskonomy": (taskonomy, lambda folder: Taskonomy(folder=folder, size=2), "TaskonomySplit"),
}


@pytest.mark.parametrize("name", SETS)
def test_good_samples_are_read_once_until_one_of_their_files_changes(
    tmp_path, monkeypatch, name
) -> None:
    write, data, kind = SETS[name]
    folder = write(tmp_path)
    rows = data(folder).load_split("train")
    read = []
    split = type(rows.split)
    assert split.__name__ == kind
    original = split.read
    monkeypatch.setattr(split, "read", lambda self, i: read.append(i) or original(self, i))
    assert len(data(folder).load_split("train")) == len(rows) and read == []
    for file in rows.split.list_files(1):
        if file.path.exists():
            read.clear()
            time = file.path.stat().st_mtime_ns + 1_000_000
            os.utime(file.path, ns=(time, time))
            data(folder).load_split("train")
            assert read == [1], file.name


def test_bad_samples_are_read_again(tmp_path) -> None:
    folder = nyuv2(tmp_path)
    (folder / "train/depth/1.npy").write_bytes(b"")
    for _ in range(2):
        with pytest.raises(ValueError, match=r"  train/depth/1.npy: depth: is empty"):
            Nyuv2(folder=folder).load_split("train")


def test_nothing_is_remembered_where_nothing_can_be_written(tmp_path, monkeypatch) -> None:
    def refuse() -> None:
        raise ValueError("the disk is full")

    monkeypatch.setattr("coterie.data.validation_cache.make_cache_dir", refuse)
    folder = nyuv2(tmp_path)
    assert (
        len(Nyuv2(folder=folder).load_split("train"))
        == len(Nyuv2(folder=folder).load_split("train"))
        == 3
    )


def test_another_limit_decodes_again(tmp_path, monkeypatch) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (4, 2)).save(path)
    media = MediaFile(kind="image", path=path)
    DecodeCache().check(media, "image")
    monkeypatch.setenv("COTERIE_MAX_IMAGE_PIXELS", "7")
    with pytest.raises(RowError, match="has 4 x 2 pixels: at most 7 are read"):
        DecodeCache().check(media, "image")


def test_a_wrong_limit_is_refused_before_any_row(monkeypatch) -> None:
    monkeypatch.setenv("COTERIE_MAX_AUDIO_S", "long")
    with pytest.raises(ValueError, match="COTERIE_MAX_AUDIO_S='long': set it to a number above 0"):
        DecodeCache()
