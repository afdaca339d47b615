"""Tasks and their splits."""

from pathlib import Path

import datasets
import pytest

from coterie import serialization
from coterie.metrics.text.numeric_match import NumericMatch
from coterie.tasks import TextTask
from tests.data.files import jsonl


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return jsonl(tmp_path / "r.jsonl", [{"question": f"q{i}", "answer": i} for i in range(10)])


def test_splits_of_their_own(rows: Path) -> None:
    task = TextTask(name="t", rows={"train": "r.jsonl", "odd": "r.jsonl"}, folder=str(rows.parent))
    assert task.list_splits() == ("train", "odd") and len(task.read_samples("odd")) == 10
    with pytest.raises(ValueError, match=r"task 't' has no split 'test': it has train, odd"):
        task.read_samples("test")


def test_rows_shared_out(rows: Path) -> None:
    task = TextTask(name="t", rows={"all": str(rows)})
    assert task.list_splits() == ("train", "validation", "test")
    parts = [task.read_samples(split) for split in task.list_splits()]
    assert [len(part) for part in parts] == [8, 1, 1]
    assert sorted(int(x.answers[0]) for part in parts for x in part) == list(range(10))
    assert len(task.read_samples("all")) == 10


def test_a_saved_data_set_keeps_its_splits(tmp_path: Path) -> None:
    def made(count: int) -> datasets.Dataset:
        return datasets.Dataset.from_dict({"question": ["?"] * count, "answer": ["x"] * count})

    datasets.DatasetDict(train=made(5), test=made(2)).save_to_disk(tmp_path / "d")
    task = TextTask(name="t", rows={"all": str(tmp_path / "d")})
    assert len(task.read_samples("train")) == 5 and len(task.read_samples("test")) == 2
    with pytest.raises(ValueError, match=r"d has no split 'validation': it has train, test"):
        task.read_samples("validation")


def test_answers_that_the_metric_cannot_score_are_bad_rows(tmp_path: Path) -> None:
    path = jsonl(
        tmp_path / "r.jsonl",
        [{"question": "How many?", "answer": answer} for answer in ("3", "many")],
    )
    task = TextTask(name="t", rows={"train": str(path)}, metric=NumericMatch())
    with pytest.raises(ValueError, match=r"r\.jsonl:2: answer: 'many' has no number"):
        task.read_samples("train")
    assert len(task.read_samples("train", skip_bad_rows=True)) == 1


def test_an_unknown_column_in_the_prompt_is_one_clear_line(rows: Path) -> None:
    task = TextTask(name="t", rows={"train": str(rows)}, prompt="{qestion}")
    with pytest.raises(ValueError) as error:
        task.read_samples("train", skip_bad_rows=True)
    _, first, more = str(error.value).splitlines()
    assert "qestion: is missing or null, and the prompt names it (did you mean question?)" in first
    assert more == "  and 9 more, alike"


def test_is_saved_and_loaded(rows: Path) -> None:
    task = TextTask(
        name="t", rows={"train": str(rows)}, metric=NumericMatch(tolerance=0.1), prompt="a {b}"
    )
    assert serialization.loads(serialization.dumps(task)) == task


@pytest.mark.parametrize(
    "field, value, message",
    [
        ("name", "", r"name = '': give a task's name as text"),
        ("name", False, r"name = False: give"),
        ("name", "a/b", r"name = 'a/b': files are named for tasks, so no slashes"),
        ("rows", {}, r"rows = \{\}: give a file or folder for each split"),
        ("rows", {"train": 3}, r"rows.train = 3: give a file, a folder or a hub id"),
        ("metric", "exact", r"metric = 'exact': give a metric, as ExactMatch()"),
        ("max_new_tokens", 0, r"max_new_tokens = 0: give at least 1"),
        ("media", {"image": ""}, r"image = '': give the name of a column"),
        ("prompt", "{", r"prompt = '\{': "),
    ],
)
def test_fields_are_checked(unchecked, field, value, message) -> None:
    with pytest.raises(ValueError, match=message):
        TextTask(**{"name": "t", "rows": {"train": "r.jsonl"}, field: value})
