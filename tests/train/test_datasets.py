"""Bad rows of all splits of all tasks are one error."""

from dataclasses import replace
from pathlib import Path

import pytest

from coterie.tasks import TextTask
from coterie.tasks.text.task_set import TextTasks
from coterie.train.config import RunConfig
from coterie.train.datasets import load_rows
from tests.data.files import jsonl
from tests.train.small import base, plain

GOOD = [{"question": f"is it {i}?", "answer": "yes"} for i in range(3)]
BAD = {"question": "is it?"}


@pytest.mark.parametrize("evaluate_every", [None, 1])
def test_bad_rows_of_all_splits(evaluate_every: int | None, tmp_path: Path) -> None:
    for name, rows in {"train": [*GOOD, BAD], "val": [BAD], "test": [BAD, *GOOD]}.items():
        jsonl(tmp_path / f"{name}.jsonl", rows)
    jsonl(tmp_path / "all.jsonl", [*GOOD, BAD])
    own = {"train": "train.jsonl", "validation": "val.jsonl", "test": "test.jsonl"}
    tasks = TextTasks(tasks=(
        TextTask(name="one", rows=own, folder=str(tmp_path)),
        TextTask(name="two", rows={"all": "all.jsonl"}, folder=str(tmp_path)),
    ))  # fmt: skip
    config = RunConfig(
        recipe=plain(steps=1), base=str(base()), tasks=tasks, evaluate_every=evaluate_every
    )
    check = config.load_sample_check()
    with pytest.raises(ValueError) as error:
        load_rows(config, check)
    told = str(error.value)
    for place in ("train.jsonl:4", "val.jsonl:1", "test.jsonl:1", "all.jsonl:4"):
        assert told.count(f"{place}: answer: is missing") == 1, told
    # What training reads is good, and a bad row of another split waits for `evaluate`.
    jsonl(tmp_path / "train.jsonl", GOOD)
    alone = replace(config, tasks=tasks.select(["one"]), evaluate_every=None)
    train, validation = load_rows(alone, check)
    assert train.sizes == (3,) and validation == []
