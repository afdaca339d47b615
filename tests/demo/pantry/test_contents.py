"""Splits that a folder has, those that are missing, and files that are moved into it."""

import pytest

from coterie_demo.pantry.contents import (
    intersect,
    list_missing,
    list_tasks,
    move_files,
    read_splits,
    select_splits,
    subtract,
    to_tasks_yaml,
    unite,
)

TASKS = {task.name: task for task in list_tasks()}
NAMING, OCR, SPOKEN = TASKS["naming"], TASKS["ocr"], TASKS["spoken"]
THREE = ("train", "validation", "test")


def test_splits_are_added_and_taken_away():
    one, other = {NAMING: ("train", "test")}, {OCR: ("test",), NAMING: ("validation", "test")}
    assert [*unite(one, other).items()] == [(NAMING, THREE), (OCR, ("test",))]
    assert subtract(other, one) == {OCR: ("test",), NAMING: ("validation",)}
    assert intersect(one, other) == {NAMING: ("test",)}
    assert subtract(one, one) == intersect(one, {}) == {}


def test_some_tasks_need_no_other_sources():
    assert select_splits(["naming", "spoken"]) == {NAMING: THREE, SPOKEN: THREE}
    assert select_splits(None)[NAMING] == (*THREE, "test_photo")
    assert len(select_splits(None)) == 19


def test_tasks_that_are_spoken_are_built_together():
    missing = list_missing({SPOKEN: ("train",), OCR: THREE}, {OCR: ("test",)})
    assert {task.name: splits for task, splits in missing.items()} == {
        "ocr": ("train", "validation"), "spoken": THREE, "spoken_initial": THREE,
        "spoken_question": THREE,
    }  # fmt: skip
    spoken = {TASKS[name]: THREE for name in ("spoken", "spoken_initial", "spoken_question")}
    recorded = {SPOKEN: ("test_recorded",)}
    assert list_missing(recorded, spoken) == recorded


def test_a_whole_file_has_no_notes():
    whole = to_tasks_yaml(select_splits(None))
    assert whole.splitlines()[1] == "tasks:"
    assert "`coterie fetch pantry` builds" in to_tasks_yaml({OCR: THREE})


def test_a_folder_is_read(tmp_path):
    assert read_splits(tmp_path / "none") == read_splits(tmp_path) == {}
    (tmp_path / "card.json").write_text("{}")
    text = to_tasks_yaml({OCR: ("train", "test")})
    (tmp_path / "tasks.yaml").write_text(text.replace("test:", "odd:"))
    assert read_splits(tmp_path) == {OCR: ("train",)}
    for wrong in ("tasks: [{name: ocr}]", "pictures: x", "{", ""):
        (tmp_path / "tasks.yaml").write_text(wrong)
        with pytest.raises(ValueError, match=r"is no pantry: remove it, or give another folder"):
            read_splits(tmp_path)


def test_the_user_s_own_tasks_are_no_pantry(tmp_path):
    (tmp_path / "tasks.yaml").write_text(to_tasks_yaml({OCR: THREE}))
    with pytest.raises(ValueError, match="is no pantry"):
        read_splits(tmp_path)


def test_files_are_moved_over_others(tmp_path):
    for folder, text in (("made/a/b", "new"), ("to/a/b", "old"), ("to/c", "stays")):
        (tmp_path / folder).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / folder).write_text(text)
    move_files(tmp_path / "made", tmp_path / "to")
    assert (tmp_path / "to" / "a" / "b").read_text() == "new"
    assert (tmp_path / "to" / "c").read_text() == "stays"
    assert not (tmp_path / "made" / "a" / "b").exists()
