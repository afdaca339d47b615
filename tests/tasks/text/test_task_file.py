"""The list `tasks` of tasks.yaml files, with an error for each mistake."""

from pathlib import Path

import pytest

from coterie.metrics.text.exact_match import ExactMatch
from coterie.metrics.text.numeric_match import NumericMatch
from coterie.task_file import read_tasks
from coterie.tasks import TextTask, TextTasks
from tests.data.files import jsonl


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    jsonl(tmp_path / "r.jsonl", [{"question": "q", "answer": "a"}])
    return tmp_path


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
