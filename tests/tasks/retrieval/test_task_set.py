"""Pairs find each other after training, through every step from a file to a comparison."""

import json
from pathlib import Path
from typing import Any

import pytest

import coterie
from coterie import serialization
from coterie.data.task_sampling import TaskSampling
from coterie.tasks.retrieval.task_set import RetrievalTasks
from tests.train import small

YAML = """
retrieval:
  - name: name
    rows: {train: rows.jsonl, test: rows.jsonl}
  - name: number
    rows: {train: rows.jsonl, test: rows.jsonl}
temperature: 0.1
k: 5
"""


@pytest.fixture
def tasks(tmp_path: Path) -> RetrievalTasks:
    rows = [{"question": f"is this {i} caption?", "answer": f"it is ocr {i}"} for i in range(6)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "tasks.yaml").write_text(YAML)
    found = coterie.read_tasks(tmp_path / "tasks.yaml")
    assert isinstance(found, RetrievalTasks)
    return found


def test_the_file_is_read(tasks: RetrievalTasks) -> None:
    assert tasks.names == ("name", "number") and (tasks.temperature, tasks.k) == (0.1, 5)
    assert serialization.loads(serialization.dumps(tasks)) == tasks
    assert tasks.select(["number"]).names == ("number",)
    assert tasks.describe_task("name") == "train, test; recall_at_k(k=5)"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("temperature: 0", r"tasks\.yaml: temperature = 0: give a number above 0"),
        ("k: 2", r"RecallAtK\(k=2\): give one of"),
        ("metric: exact", "metric: a file of retrieval tasks has the key `retrieval`"),
        ("    metric: exact", r"retrieval\[1\].metric: pairs are ranked and scored by recall_at_k"),
        ("    max_new_tokens: 3", r"retrieval\[1\].max_new_tokens: pairs are ranked"),
        ("    name2: a", r"retrieval\[1\].name2: there is no such key"),
    ],
)
@pytest.mark.usefixtures("tasks")
def test_wrong_files(line: str, message: str, tmp_path: Path) -> None:
    head = YAML.partition("temperature")[0]
    (tmp_path / "tasks.yaml").write_text(f"{head}{line}\n")
    with pytest.raises(ValueError, match=message):
        coterie.read_tasks(tmp_path / "tasks.yaml")


def test_what_trains_nothing_is_refused(tasks: RetrievalTasks, tmp_path: Path) -> None:
    def train(**given: Any) -> None:
        coterie.train(
            small.plain(), base=small.base(), tasks=tasks, out=tmp_path / "run", steps=1,
            progress=False, **given,
        )  # fmt: skip

    with pytest.raises(ValueError, match=r"batch_size=4, accumulation=4: a sample of Retrieval"):
        train(batch_size=4, accumulation=4)
    row = '{"question": "what?", "answer": "it"}\n'
    (tmp_path / "rows.jsonl").write_text(2 * row)
    with pytest.raises(ValueError, match="task 'name', split 'train': all samples have one answer"):
        train(batch_size=4)
    assert all(not each.scores for each in tasks.summarize())


def test_pairs_find_each_other_after_training(tasks: RetrievalTasks, tmp_path: Path) -> None:
    mix = TaskSampling(temperature="equal", one_task_per_batch=True)
    recipe = small.plain(steps=40, learning_rate=5e-2)
    run = coterie.train(
        recipe, base=small.base(), tasks=tasks, out=tmp_path / "run", batch_size=6, mix=mix,
        progress=False,
    )  # fmt: skip
    assert run.config.tasks == tasks
    losses = [line["loss"] for line in run.read_log() if "loss" in line]
    # ln 6 = 1.79 is that of a guess. The host is random, and little of its input reaches its end.
    assert losses[0] > 1.6 and losses[-1] < losses[0] - 0.2
    after = coterie.evaluate(run, batch_size=4).tasks["name"]
    assert after.metric == "recall_at_k(k=5)" and after.samples == 6
    first = "query to candidate R@1"
    lines = (run.folder / "predictions/test/name.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    hits = sum(row["ranks"][0] == 1 for row in found)
    assert after.details[first] == pytest.approx(100 * hits / 6)
    assert coterie.compare([run], controls=False).rows[0].tasks["name"].value == after.score
    conflict = coterie.diagnose(run, batches=2, batch_size=3)
    assert conflict.tasks == ("name", "number")
