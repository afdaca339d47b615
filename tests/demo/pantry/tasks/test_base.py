"""A task has the splits that it has sizes of."""

from pathlib import Path

from coterie_demo.pantry.assets import AssetStore
from coterie_demo.pantry.tasks.ocr import Ocr


def test_splits_are_those_with_a_size(tmp_path: Path):
    store = AssetStore(folder=tmp_path, fetched={})
    assert Ocr().list_splits(store) == ("train", "validation", "test")
