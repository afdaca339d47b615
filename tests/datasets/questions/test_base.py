"""Rows of a data set are written as tasks, and its scores are those of the joined predictions."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import coterie
from coterie.data.dataset import RowError
from coterie.datasets.questions.base import (
    QuestionDataset,
    QuestionTask,
    Record,
    Row,
    read_answered_rows,
    write_rows,
    write_tasks,
)
from coterie.io import read_json


@dataclass(frozen=True, kw_only=True)
class Colours(QuestionDataset):
    """Two colours, one of them bright, and a record that is bad."""

    tasks = (QuestionTask(name="colour", metrics=("exact", "token_f1")),)
    groups = ("bright",)
    bad: bool = False

    def list_records(self) -> Iterable[Record]:
        records = ["red", "grey", *(["none"] if self.bad else [])]
        return ((f"colours[{i}]", name) for i, name in enumerate(records))

    def convert(self, record: Any) -> Iterable[tuple[str, Row]]:
        if record == "none":
            raise RowError("colour", "is 'none': give a colour")
        path = Path("image.png")
        Image.new("RGB", (8, 8), record).save(path)
        yield "colour", {
            "id": record, "image": path.read_bytes(), "question": "Which colour?",
            "answer": record, "bright": record == "red",
        }  # fmt: skip


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_rows_are_read_as_tasks(tmp_path: Path) -> None:
    file = write_tasks(tmp_path / "out", {"train": Colours(), "test": Colours()})
    tasks = coterie.read_tasks(file)
    (task,) = tasks.tasks
    definition = {"dataset": "Colours", "bad": False}
    assert read_json(file.parent / "datasets.json") == {"train": definition, "test": definition}
    assert task.name == "colour" and task.list_splits() == ("train", "test")
    samples = task.read_samples("test")
    assert [each.answers for each in samples] == [("red",), ("grey",)]
    assert samples[0].get_media()[0].load().getpixel((0, 0)) == (255, 0, 0)
    with pytest.raises(ValueError, match=r"^Colours, split 'test': 1 bad record; mend the files"):
        write_tasks(tmp_path / "bad", {"test": Colours(bad=True)})
    write_tasks(tmp_path / "bad", {"test": Colours(bad=True)}, skip_bad_rows=True)
    assert (tmp_path / "bad" / "left_out.test.txt").read_text() == (
        "colours[2]: colour: is 'none': give a colour\n"
    )


def test_scores_are_of_all_rows_and_of_groups() -> None:
    rows = [{"answer": "red", "bright": True, "prediction": "Red"},
            {"answer": ["dark grey"], "bright": False, "prediction": "grey"}]  # fmt: skip
    # F1 of one of two words: 2 * 1 / (1 + 2).
    assert Colours().compute_scores("colour", rows) == {
        "exact": 50, "token_f1": pytest.approx(100 * (1 + 2 / 3) / 2),
        "bright True: exact": 100, "bright True: token_f1": 100,
        "bright False: exact": 0, "bright False: token_f1": pytest.approx(100 * 2 / 3), "rows": 2,
    }  # fmt: skip


def test_predictions_are_joined_to_their_rows(tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "t.test.jsonl", [{"id": 1}, {"id": 2}])
    found = [{"source": f"t.test.jsonl:{i}", "prediction": str(i)} for i in (2, 1)]
    file = tmp_path / "p.jsonl"

    def join(*lines: dict[str, Any]) -> list[Row]:
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return read_answered_rows(rows, file)

    assert join(*found) == [{"id": 1, "prediction": "1"}, {"id": 2, "prediction": "2"}]
    for lines, said in [
        (found[:1], r"has no prediction for 1 of 2 rows, the first is t\.test\.jsonl:1: evaluate"),
        ([found[0], found[0]], r"p\.jsonl:2: source = 't\.test\.jsonl:2' comes twice"),
        ([{"source": "u:1"}], r"p\.jsonl:1: source = 'u:1' is no row of"),
        ([{"source": "t.test.jsonl:1"}], r"p\.jsonl:1: prediction = None: give a text"),
    ]:
        with pytest.raises(ValueError, match=said):
            join(*lines)
    file.write_text("{")
    with pytest.raises(ValueError, match=r"p\.jsonl:1: row: is not JSON"):
        read_answered_rows(rows, file)
