"""A task has the splits that it has sizes of."""

from pathlib import Path

from coterie.data.splits import check_split_name
from coterie.serialization import find_kinds
from coterie_demo.pantry import tasks
from coterie_demo.pantry.assets import AssetStore
from coterie_demo.pantry.tasks.base import PantryTask
from coterie_demo.pantry.tasks.ocr import Ocr


def test_splits_are_those_with_a_size(tmp_path: Path):
    store = AssetStore(folder=tmp_path, fetched={})
    assert Ocr().list_splits(store) == ("train", "validation", "test")


def test_every_split_has_a_name_that_tasks_yaml_takes() -> None:
    # Those of downloaded pictures, too, which no other test builds.
    kinds = find_kinds(tasks, PantryTask)
    names = {split for kind in kinds for split in kind.sizes}
    assert {check_split_name(name) for name in names} == names >= {"train", "test_recorded"}
