"""Bad rows of all splits are one error; worker processes read the same batches, or fail alike."""

from dataclasses import replace
from pathlib import Path

import pytest

from coterie.tasks import TextTask
from coterie.tasks.text.task_set import TextTasks
from coterie.train.config import RunConfig
from coterie.train.datasets import BatchReader, load_rows, receive
from tests.data.files import jsonl
from tests.train.small import base, content, lines, plain, trained

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
    with pytest.raises(ValueError) as error:
        load_rows(config)
    told = str(error.value)
    for place in ("train.jsonl:4", "val.jsonl:1", "test.jsonl:1", "all.jsonl:4"):
        assert told.count(f"{place}: answer: is missing") == 1, told
    # What training reads is good, and a bad row of another split waits for `evaluate`.
    jsonl(tmp_path / "train.jsonl", GOOD)
    alone = replace(config, tasks=tasks.select(["one"]), evaluate_every=None)
    train, validation = load_rows(alone)
    assert train.sizes == (3,) and not validation


# This process has other threads than a user's, as those of earlier tests.
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_a_run_with_workers_is_the_same_bit_for_bit(tmp_path: Path) -> None:
    alone = trained(tmp_path / "alone", plain(steps=4))
    ahead = trained(tmp_path / "ahead", plain(steps=4), workers=2)
    assert lines(ahead) == lines(alone)
    assert content(ahead) == content(alone)


def test_an_error_of_a_worker_is_raised_with_its_message(unchecked) -> None:
    def refuse(samples: list) -> dict:
        raise ValueError(f"rows.jsonl:{samples[0]} is refused")

    read = BatchReader([7], refuse).__getitems__([0])  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"^rows\.jsonl:7 is refused$"):
        receive(read)
    assert receive({"a": 1}) == {"a": 1}
