"""Nutrition5k's metadata."""

import json
from pathlib import Path

import pytest

from coterie.datasets.questions.nutrition5k import Nutrition5k

DISH = "dish_1,300.5,200.0,10.0,20.0,5.0,ingr_1,egg,150,200,9,1,4,ingr_2,olive oil,50,100,1,19,1"


def make(folder: Path, line: str = DISH, ids: str = '["dish_1"]') -> Nutrition5k:
    (folder / "images" / "dish_1").mkdir(parents=True)
    for name in ("camera_A.png", "rgb.png"):
        (folder / "images" / "dish_1" / name).write_bytes(b"1")
    (folder / "dish_metadata_cafe1.csv").write_text("dish_0,1,1,1,1,1\n")
    (folder / "dish_metadata_cafe2.csv").write_text(line + "\n")
    (folder / "train_id.json").write_text(ids)
    return Nutrition5k(folder=str(folder))


def test_totals_and_ingredients(tmp_path: Path) -> None:
    rows, bad = make(tmp_path).read()
    assert bad == () and {task: row["answer"] for task, row in rows} == {
        "ingredients": "egg, olive oil",
        # The file has calories before mass.
        "nutrition": "mass 200 g, calories 300.5 kcal, fat 10 g, carbohydrate 20 g, protein 5 g",
    }
    assert rows[0][1]["image"] == str(tmp_path / "images/dish_1/rgb.png")


@pytest.mark.parametrize(
    ("line", "ids", "said"),
    [
        (DISH, ["dish_7"], r"train_id\.json\[0\]: row: the dish 'dish_7' is in neither of dish_m"),
        (DISH + ",1", ["dish_1"], r"dish_metadata_cafe2\.csv:1: row: has 21 columns: 6 and 7 for"),
        ("dish_1,1", ["dish_1"], r"cafe2\.csv:1: row: has 2 columns"),
        (DISH.replace("10.0", "nan"), ["dish_1"], r"cafe2\.csv:1: fat: is 'nan': give a number"),
        (DISH.replace("egg", "Deprecated"), ["dish_1"],
         r"cafe2\.csv:1: ingredient 1: is 'Deprecated', which the data set's authors"),
        (DISH.replace("dish_1", "dish_2"), ["dish_2"], r"image: there is no image in .*dish_2"),
    ],
)  # fmt: skip
def test_bad_records(tmp_path: Path, line: str, ids: list[str], said: str) -> None:
    rows, bad = make(tmp_path, line, json.dumps(ids)).read()
    assert rows == [] and len(bad) == 1
    with pytest.raises(ValueError, match=said):
        raise ValueError(str(bad[0]))


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"dish_metadata_cafe1\.csv cannot be read: No such file"):
        Nutrition5k(folder=str(tmp_path)).read()
