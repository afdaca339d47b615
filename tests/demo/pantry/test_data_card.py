"""The data card: true to the files, with baselines worked out by hand."""

import json
from pathlib import Path

import pytest

from coterie_demo.pantry.data_card import compute_baselines, count_letter_errors, read_rows
from coterie_demo.pantry.tasks.clips import COLUMN
from tests.demo.pantry.conftest import VENDORED


def test_card_equals_a_recount(pantry):
    folder, _ = pantry
    card = json.loads((folder / "card.json").read_text())
    page = (folder / "CARD.md").read_text()
    assert set(card) == VENDORED
    for name, task in card.items():
        files = set()
        for split, count in task["rows"].items():
            rows = read_rows(folder / name / f"{split}.jsonl")
            assert count == len(rows)
            images = {row["image"] for row in rows if "image" in row}
            images |= {frame for row in rows for frame in row.get(COLUMN, ())}
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
    page = (Path(__file__).parents[3] / "docs" / "data-card.md").read_text()
    assert all(f"\n## {name}\n" in page for name in VENDORED)
