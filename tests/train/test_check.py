"""`check` finds what training would stop at, and tries one batch."""

import json
from pathlib import Path

import pytest

import coterie
from coterie.tasks import TextTask
from tests.data.files import jsonl
from tests.train.small import base, plain, tasks


@pytest.fixture
def bad(tmp_path: Path) -> tuple[TextTask, ...]:
    rows = [{"question": f"is it {i}?", "answer": "yes"} for i in range(3)]
    long = {"question": "is it? " * 40, "answer": "yes"}
    for name, last in (("one", long), ("two", {"question": "is it?"})):
        jsonl(tmp_path / f"{name}.jsonl", [*rows, last])
    return tuple(
        TextTask(name=name, rows={"train": f"{name}.jsonl"}, folder=str(tmp_path))
        for name in ("one", "two")
    )


def test_a_good_run():
    found = coterie.check(base(), tasks(), plain(steps=1), device="cpu", batch_size=4)
    said = str(found)
    assert found.is_good and said.endswith("good: can be trained on")
    assert "caption train: 12 samples\n  tokens: least" in said and "ocr validation: 3" in said
    assert "note: task 'ocr' has no test rows, of which `coterie evaluate` would score" in said
    # The loss of random weights is near that of a uniform guess, the logarithm of the vocabulary.
    batch = found.batch
    assert batch.num_samples == 4 and 0 < batch.loss < 10 and batch.activation_bytes > 0
    moved = batch.num_trained * 12 + batch.activation_bytes
    assert batch.total_bytes == batch.weight_bytes + moved


def test_all_bad_rows_of_all_tasks(bad: tuple[TextTask, ...], tmp_path: Path):
    found = coterie.check(base(), bad, plain(steps=1), device="cpu", max_length=64)
    said = str(found)
    assert not found.is_good and found.batch is not None  # of the good rows
    assert "one.jsonl:4: row: has" in said and "and max_length is 64" in said
    assert "two.jsonl:4: answer: is missing" in said
    with pytest.raises(ValueError, match=r"one\.jsonl:4(.|\n)*two\.jsonl:4: answer: is missing"):
        coterie.train(plain(steps=1), base=base(), tasks=bad, out=tmp_path / "r", max_length=64)


def test_rows_that_splits_share_and_long_rows_to_score(tmp_path: Path):
    rows = [{"question": f"is it {i}?", "answer": "yes"} for i in range(4)]
    long = {"question": "is it? " * 40, "answer": "yes"}
    places = {"train": rows[:3], "validation": rows[2:], "test": [rows[1], rows[3], long]}
    for name, found in places.items():
        jsonl(tmp_path / f"{name}.jsonl", found)
    task = TextTask(name="a", rows={name: f"{name}.jsonl" for name in places}, folder=str(tmp_path))
    found = coterie.check(base(), task, plain(steps=1), device="cpu", max_length=64,
                          tries_batch=False)  # fmt: skip
    assert found.is_good, str(found)  # max_length is that of training
    notices = [each for each in found.notices if "are rows of" in each]
    assert [each.split(", too")[0] for each in notices] == [
        "task 'a': 1 rows of 'validation' are rows of 'train'",
        "task 'a': 1 rows of 'test' are rows of 'train'",
        "task 'a': 1 rows of 'test' are rows of 'validation'",
    ]


def test_a_wrong_base_is_told_before_the_rows(bad: tuple[TextTask, ...], tmp_path: Path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "no such"}))
    with pytest.raises(ValueError, match="cannot be loaded"):
        coterie.check(tmp_path, bad, device="cpu")
    with pytest.raises(ValueError, match="cannot be loaded"):
        coterie.train(plain(steps=1), base=tmp_path, tasks=bad, out=tmp_path / "run")
