"""Samples that two splits share."""

import json
from pathlib import Path

from coterie.tasks.text.shared_samples import find_shared_samples
from coterie.tasks.text.task import TextTask
from coterie.tasks.text.task_set import TextTasks
from coterie.train.check import list_overlaps


def write(folder: Path, name: str, rows: list[dict[str, str]]) -> str:
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return name


def find(folder: Path, *tasks: TextTask) -> dict[str, list[str]]:
    samples = {
        task.name: list(task.read_samples("test", check_media=False))
        for task in tasks if "test" in task.list_splits()
    }  # fmt: skip
    found = find_shared_samples(samples, tasks)
    return {name: [Path(each.source).name for each in shared] for name, shared in found.items()}


def test_equal_rows_of_any_file_are_found(tmp_path: Path) -> None:
    rows = [{"question": f"what is {i}?", "answer": "yes"} for i in range(4)]
    train = write(tmp_path, "train.jsonl", rows[:3])
    # The second and the third are in "train"; another answer is another row.
    other = [rows[3], rows[2], rows[0] | {"answer": "no"}, rows[0]]
    test = write(tmp_path, "test.jsonl", other)
    task = TextTask(name="a", rows={"train": train, "test": test}, folder=str(tmp_path))
    assert find(tmp_path, task) == {"a": ["test.jsonl:2", "test.jsonl:4"]}
    # One task's test rows may be another's training rows; a missing file is not compared.
    one = TextTask(name="one", rows={"test": test}, folder=str(tmp_path))
    two = TextTask(name="two", rows={"train": train}, folder=str(tmp_path))
    gone = TextTask(name="gone", rows={"train": "gone.jsonl"}, folder=str(tmp_path))
    assert find(tmp_path, one, two, gone)["one"] == ["test.jsonl:2", "test.jsonl:4"]
    (told,) = list_overlaps(TextTasks(tasks=(one, two)))
    assert "task 'one': 2 rows of 'test' are rows of 'train', too; the first, " in told
    assert "test.jsonl:2, is " in told and "train.jsonl:3 of task 'two': scores are not" in told


def test_media_count_by_their_content(tmp_path: Path) -> None:
    for name, content in {"a": b"1234", "copy": b"1234", "other": b"1235"}.items():
        (tmp_path / f"{name}.png").write_bytes(content)
    question = {"question": "what is it?", "answer": "cat"}
    train = write(tmp_path, "train.jsonl", [question | {"image": "a.png"}])
    images = ("a.png", "copy.png", "other.png")
    test = write(tmp_path, "test.jsonl", [question | {"image": name} for name in images])
    task = TextTask(
        name="a", rows={"train": train, "test": test}, folder=str(tmp_path),
        media={"image": "image"},
    )  # fmt: skip
    assert find(tmp_path, task) == {"a": ["test.jsonl:1", "test.jsonl:2"]}
