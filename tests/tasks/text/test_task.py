"""Tasks and their splits, in Python and in YAML, with an error for each mistake."""

from pathlib import Path

import datasets
import pytest

from coterie import serialization
from coterie.metrics.text.exact_match import ExactMatch
from coterie.metrics.text.numeric_match import NumericMatch
from coterie.task_file import read_tasks
from coterie.tasks import TextTask, TextTasks
from tests.data.files import jsonl, png


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return jsonl(tmp_path / "r.jsonl", [{"question": f"q{i}", "answer": i} for i in range(10)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    jsonl(tmp_path / "r.jsonl", [{"question": "q", "answer": "a"}])
    return tmp_path


def test_splits_of_their_own(rows: Path) -> None:
    task = TextTask(
        name="t", rows={"train": "r.jsonl", "test_odd": "r.jsonl"}, folder=str(rows.parent)
    )
    assert task.list_splits() == ("train", "test_odd") and len(task.read_samples("test_odd")) == 10
    with pytest.raises(ValueError, match=r"task 't' has no split 'test': it has train, test_odd"):
        task.read_samples("test")


def test_paths_in_the_home_of_the_user(rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(rows.parent))
    for folder, path in (("~", "r.jsonl"), ("/elsewhere", "~/r.jsonl"), (".", "~/r.jsonl")):
        task = TextTask(name="t", rows={"train": path}, folder=folder)
        assert task.get_path("train") == str(rows)
    yaml = rows.parent / "tasks.yaml"
    yaml.write_text("tasks: [{name: t, rows: {train: ~/r.jsonl}}]")
    assert read_tasks("~/tasks.yaml").names == read_tasks("~/tasks.yaml:t").names == ("t",)


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
        ("max_new_tokens", 10**18, r"max_new_tokens = 10+: give at least 1, and at most 131072"),
        ("name", "a" * 300, r"name = .*files are named for tasks, so no more than 100 bytes"),
        ("rows", {"trian": "r.jsonl"}, r"rows.trian: 'trian' is no split: give train"),
        ("rows", {"val": "a", "dev": "a"}, r"rows.dev: the split validation is named twice"),
        ("rows", {"test_a": "a", "test_A": "b"}, r"rows.test_A: the split test_A is named twice"),
        ("rows", {"train": ()}, r"rows.train = \(\): give a file"),
        ("weight", 0, r"weight = 0: give a number above 0"),
        ("weight", float("nan"), r"weight = nan: give"),
        ("system", " ", r"system = ' ': give text"),
        ("media_root", 3, r"media_root = 3: give a folder"),
        ("media", {"image": ""}, r"image = '': give the name of a column"),
        ("prompt", "{", r"prompt = '\{': "),
    ],
)
def test_fields_are_checked(unchecked, field, value, message) -> None:
    with pytest.raises(ValueError, match=message):
        TextTask(**{"name": "t", "rows": {"train": "r.jsonl"}, field: value})


def test_names_of_the_validation_split(rows: Path) -> None:
    for name in ("val", "valid", "dev", "validation"):
        task = TextTask(name="t", rows={"train": str(rows), name: str(rows)})
        assert task.list_splits() == ("train", "validation")
        assert len(task.read_samples("validation")) == len(task.read_samples("val")) == 10


def test_several_files_and_patterns(rows: Path) -> None:
    jsonl(rows.with_name("s.jsonl"), [{"question": "s", "answer": "t"}])
    task = TextTask(
        name="t", rows={"train": ("r.jsonl", "s.jsonl"), "test": "*.jsonl"}, folder=str(rows.parent)
    )
    for split in ("train", "test"):
        assert [x.source for x in task.read_samples(split)][-2:] == ["r.jsonl:10", "s.jsonl:1"]
    assert serialization.loads(serialization.dumps(task)) == task


def test_a_folder_of_media_and_a_system_prompt(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").write_bytes(png())
    path = jsonl(tmp_path / "r.jsonl", [{"image": "a.png", "question": "?", "answer": "x"}])
    task = TextTask(
        name="t", rows={"train": str(path)}, folder=str(tmp_path), media_root="pictures", system="S"
    )
    (sample,) = task.read_samples("train")
    assert [turn.role for turn in sample.messages] == ["system", "user"]
    assert sample.get_media()[0].path == tmp_path / "pictures" / "a.png"


def read(folder: Path, text: str | bytes) -> TextTasks:
    (folder / "tasks.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    found = read_tasks(folder / "tasks.yaml")
    assert isinstance(found, TextTasks)
    return found


def test_all_keys(folder: Path) -> None:
    text = """
tasks:
- name: counting
  rows: {train: r.jsonl, test: ./r.jsonl, test_more: hf:owner/name}
  image: picture
  prompt: "Count. {question}"
  answer: label
  metric: {name: numeric_match, tolerance: 0}
  max_new_tokens: 4
  system: Be short.
  weight: 2
  media_root: .
- name: naming
  rows: r.jsonl
"""
    first, second = read(folder, text).tasks
    assert first == TextTask(
        name="counting",
        rows={"train": "r.jsonl", "test": "./r.jsonl", "test_more": "hf:owner/name"},
        folder=str(folder),
        media={"image": "picture"},
        prompt="Count. {question}",
        answer="label",
        metric=NumericMatch(tolerance=0),
        max_new_tokens=4,
        system="Be short.",
        weight=2,
        media_root=".",
    )
    assert second == TextTask(
        name="naming", rows={"all": "r.jsonl"}, folder=str(folder), metric=ExactMatch()
    )
    assert (
        first.get_path("train") == str(folder / "r.jsonl")
        and first.get_path("test_more") == "hf:owner/name"
    )


GOOD = "name: a, rows: r.jsonl"


@pytest.mark.parametrize(
    "text, message",
    [
        ("tasks: [", r"tasks\.yaml is not YAML: .*line 1"),
        ("\ttasks: 3", r"tasks\.yaml is not YAML: .*'\\t' that cannot start any token.*line 1"),
        (b"tasks: \xff", r"tasks\.yaml is not UTF-8: byte 7 is wrong"),
        ("", r"its keys are none: give .*`tasks` \(TextTasks\).*, which says of what kind"),
        ("- a", r"its keys are none: give .*`tasks`"),
        ("task: []", r"its keys are task \(did you mean tasks\?\): give .*`tasks`"),
        ("tasks: [{GOOD}]\nvision: {}", r"vision: a file of text tasks has one key, `tasks`"),
        ("tasks: []", r"tasks = \[\]: give a list of at least one task"),
        ("tasks: {a: 1}", r"tasks = \{'a': 1\}: give a list"),
        ("tasks: [a]", r"tasks\[0\] = 'a': give name, rows"),
        ("tasks: [{name: a}]", r"tasks\[0\]\.rows is missing: each task needs name and rows"),
        (
            "tasks: [{GOOD, metrc: exact}]",
            r"tasks\[0\]\.metrc: there is no such key \(did you me",
        ),
        ("tasks: [{GOOD, folder: x}]", r"tasks\[0\]\.folder: there is no such key"),
        ("tasks: [{GOOD}, {GOOD}]", "tasks: the name 'a' is there twice; give each task a name of"),
        (
            "tasks: [{GOOD}, {name: A, rows: r.jsonl}]",
            "the names 'a' and 'A' differ in capitals or",
        ),
        (
            "tasks: [{GOOD, metric: exakt_match}]",
            r"metric = 'exakt_match': .*did you mean exact_match\?",
        ),
        ("tasks: [{GOOD, metric: 3}]", r"tasks\[0\]\.metric = 3: give a name"),
        (
            "tasks: [{name: a, rows: x.jsonl}]",
            r"rows = 'x\.jsonl': there is no file or folder /",
        ),
        (
            "tasks: [{name: a, rows: {train: x.jsonl}}]",
            r"tasks\[0\]\.rows\.train = 'x\.jsonl': there",
        ),
        ("tasks: [{name: a, rows: [r.jsonl, x.jsonl]}]", r"rows = 'x\.jsonl': there is no"),
        ("tasks: [{name: a, rows: 'x\\r.jsonl'}]", r"x\\r\.jsonl; write / in place of"),
        (
            f"tasks: [{{name: a, rows: {'x' * 300}}}]",
            r"there is no file or folder /.*x; the name x{40}\.\.\. in it has 300 bytes",
        ),
        ("tasks: [{GOOD, media_root: x}]", r"media_root = 'x': there is no folder"),
        ("tasks: [{name: a, rows: {vald: r.jsonl}}]", r"rows\.vald: 'vald' is no split: give"),
        ("tasks: [{name: a, rows: 3}]", r"tasks\[0\]\.rows = 3: give a file or folder"),
        ("tasks: [{name: no, rows: r.jsonl}]", r"tasks\[0\]\.name = False: give a task's name"),
        ("tasks: [{GOOD, prompt: '{a'}]", r"tasks\[0\]\.prompt = '\{a': "),
        ("tasks: [{GOOD, max_new_tokens: 1.5}]", r"max_new_tokens = 1\.5: give at least 1"),
        ("tasks: [{name: a, name: b, rows: r.jsonl}]", r"the key 'name' comes twice .*line 1"),
        ("tasks: [!!python/name:os.system ]", r"is not YAML: could not determine a constructor"),
        ("tasks: [{? [a] : 1, rows: r.jsonl}]", r"is not YAML: .*unhashable key"),
    ],
)
def test_damaged_files_are_one_clear_line(unchecked, folder, text, message) -> None:
    with pytest.raises(ValueError, match=message) as error:
        read(folder, text if isinstance(text, bytes) else text.replace("GOOD", GOOD))
    assert "\n" not in str(error.value) and "tasks.yaml" in str(error.value)
