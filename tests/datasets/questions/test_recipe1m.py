"""Recipe1M's three files."""

import json
from pathlib import Path
from typing import Any

import pytest

from coterie.datasets.questions.base import write_tasks
from coterie.datasets.questions.recipe1m import Recipe1M

RECIPE = {
    "id": "000018c8a5",
    "title": "Worlds Best Mac",
    "instructions": [{"text": "Boil it."}, {"text": "Bake it."}],
    "ingredients": [{"text": "6 ounces penne"}],
    "partition": "train",
    "url": "u",
}
IMAGES = {"id": "000018c8a5", "images": [{"id": "3e233001e2.jpg", "url": "u"}, {"id": "7f8e.jpg"}]}
NAMES = {
    "id": "000018c8a5",
    "ingredients": [{"text": "penne"}, {"text": "a pinch"}, {"text": "penne"}, {"text": "cheddar"}],
    "valid": [True, False, True, True],
}


def make(folder: Path, *items: Any, **fields: Any) -> Recipe1M:
    for file, listed in zip(("layer1", "layer2", "det_ingrs"), items, strict=True):
        (folder / f"{file}.json").write_text(json.dumps(listed))
    return Recipe1M(folder=str(folder), **fields)


def test_valid_ingredients_and_steps_of_the_first_image(tmp_path: Path) -> None:
    others = [RECIPE | {"id": "1", "partition": "val"}, RECIPE | {"id": "2"}]
    given = [RECIPE, *others], [IMAGES, IMAGES | {"id": "1"}], [NAMES]
    rows, bad = make(tmp_path, *given).read()  # "2" has no image
    assert bad == () and [(task, row["answer"]) for task, row in rows] == [
        ("ingredients", "penne, cheddar"),
        ("recipe", "Boil it.\nBake it."),
    ]
    image = tmp_path / "images/train/3/e/2/3/3e233001e2.jpg"
    assert {(row["id"], row["image"]) for _, row in rows} == {("000018c8a5-3e233001e2", str(image))}
    every, _ = make(tmp_path, *given, all_images=True, images=str(tmp_path / "plus")).read()
    assert [row["image"] for _, row in every[::2]] == [
        str(tmp_path / "plus/3/e/2/3/3e233001e2.jpg"), str(tmp_path / "plus/7/f/8/e/7f8e.jpg")
    ]  # fmt: skip
    file = write_tasks(tmp_path / "tasks", {"train": make(tmp_path, *given)})
    assert "ingredient_iou" in file.read_text()


def test_a_partition_that_there_is_not(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"partition = 'tests' \(did you mean test\?\): give one"):
        make(tmp_path, [], [], [], partition="tests")


@pytest.mark.parametrize(
    ("recipe", "images", "names", "said"),
    [
        (3, IMAGES, NAMES, r"layer1\.json\[0\]: row: is 3: give an object"),
        ({"title": "a"}, IMAGES, NAMES, "id: is missing: the keys are 'title'"),
        (RECIPE | {"partition": "dev"}, IMAGES, NAMES, "partition: is 'dev': give train, val, te"),
        (RECIPE | {"instructions": [{"text": "a"}, {}]}, IMAGES, NAMES,
         r"instructions\[1\]\.text: is missing"),
        (RECIPE | {"instructions": "Boil"}, IMAGES, NAMES, "instructions: is 'Boil': give a list"),
        (RECIPE, IMAGES | {"images": []}, NAMES, r"images: is \[\]: give a list"),
        (RECIPE, IMAGES, NAMES | {"id": "7"}, r"ingredients: det_ingrs\.json has no recipe of th"),
        (RECIPE, IMAGES, NAMES | {"valid": [True]}, r"valid: of det_ingrs\.json is \[True\]: give"),
    ],
)  # fmt: skip
def test_bad_records(tmp_path: Path, recipe: Any, images: Any, names: Any, said: str) -> None:
    rows, bad = make(tmp_path, [recipe], [images], [names]).read()
    assert rows == []
    with pytest.raises(ValueError, match=said):
        raise ValueError(str(bad[0]))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"layer2\+\.json cannot be read: No such file"):
        make(tmp_path, [RECIPE], [IMAGES], [NAMES], layer2="layer2+.json").read()
