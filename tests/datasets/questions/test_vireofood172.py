"""VireoFood172's lists."""

import json
from pathlib import Path

import pytest

from coterie.datasets.questions.vireofood172 import VireoFood172


def make(folder: Path, *ids: object, line: str = "/2/3_15.jpg egg, rice ") -> VireoFood172:
    for name, data in [("foodlist", ["soup", "fried rice"]), ("ingre", [line]), ("train_id", ids)]:
        (folder / f"{name}.json").write_text(json.dumps(data))
    return VireoFood172(folder=str(folder))


def test_category_and_ingredients(tmp_path: Path) -> None:
    rows, bad = make(tmp_path, "/2/3_15.jpg").read()
    assert bad == () and [(task, row["answer"]) for task, row in rows] == [
        ("category", "fried rice"), ("ingredients", "egg, rice")
    ]  # fmt: skip
    assert rows[0][1]["image"] == str(tmp_path / "ready_chinese_food/2/3_15.jpg")
    assert rows[0][1]["id"] == "2-3_15.jpg"


@pytest.mark.parametrize(
    ("name", "line", "said"),
    [
        ("/3/1.jpg", "/3/1.jpg a", r"train_id\.json\[0\]: id: is '/3/1\.jpg': give /NUMBER/FILE"),
        ("1.jpg", "1.jpg a", "NUMBER from 1 to 2, the names of foodlist.json"),
        (3, "3 a", "id: is 3: give text"),
        ("/2/1.jpg", "/2/1.jpg a,, b", r"ingre\.json\[0\] has the ingredients 'a,, b' of /2/1"),
        ("/2/1.jpg", "/2/2.jpg a", r"train_id\.json\[0\] has the ingredients '' of /2/1\.jpg"),
    ],
)
def test_bad_records(tmp_path: Path, name: object, line: str, said: str) -> None:
    rows, bad = make(tmp_path, name, line=line).read()
    assert rows == []
    with pytest.raises(ValueError, match=said):
        raise ValueError(str(bad[0]))
