"""Answers to a file of rows: their order, what a stopped process goes on with, bad rows."""

import json
from pathlib import Path
from typing import Any

import pytest

from coterie.data.sources.opening import open_rows
from coterie.serve.answer_file import answer_rows
from coterie.serve.engine import InferenceEngine
from tests.serve.engines import load, two_tasks

ROWS = [{"question": f"what is {n}?", "task": ("yes", "no")[n % 2]} for n in range(6)]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> InferenceEngine:
    return load(two_tasks(tmp_path_factory.mktemp("runs")), max_rows=4)


def call(engine: InferenceEngine, folder: Path, rows: list[Any] = ROWS) -> tuple[int, int]:
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = open_rows(folder / "rows.jsonl", split="test")
    return answer_rows(engine, source, folder / "answers.jsonl", engine.make_prompt)


def test_rows_of_several_tasks_in_their_order(engine: InferenceEngine, tmp_path: Path) -> None:
    assert call(engine, tmp_path) == (0, 6)
    lines = (tmp_path / "answers.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {
            "row": f"rows.jsonl:{number + 1}",
            **row,
            "answer": engine.ask(row["question"], task=row["task"]),
        }
        for number, row in enumerate(ROWS)
    ]


def test_a_stopped_process_goes_on(
    engine: InferenceEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call(engine, tmp_path)
    out = tmp_path / "answers.jsonl"
    whole = out.read_text()
    lines = whole.splitlines(keepends=True)
    out.write_text("".join(lines[:2]) + lines[2][:9])  # the third was cut off
    asked = []
    make_job = InferenceEngine.make_job
    monkeypatch.setattr(
        InferenceEngine, "make_job",
        lambda self, sample, sampling: asked.append(sample.source) or make_job(self, sample),
    )  # fmt: skip
    assert call(engine, tmp_path) == (2, 4) and out.read_text() == whole
    assert asked == [f"rows.jsonl:{number}" for number in (3, 4, 5, 6)]
    assert call(engine, tmp_path) == (6, 0) and out.read_text() == whole


def test_answers_to_other_rows_are_left_alone(engine: InferenceEngine, tmp_path: Path) -> None:
    call(engine, tmp_path)
    before = (tmp_path / "answers.jsonl").read_text()
    said = r"answers\.jsonl:1 is no answer to row 1 of rows\.jsonl: give another file"
    with pytest.raises(ValueError, match=said):
        call(engine, tmp_path, [{"question": "why?", "task": "yes"}, *ROWS[1:]])
    with pytest.raises(ValueError, match=r"answers\.jsonl:6 is no answer to row 6"):
        call(engine, tmp_path, ROWS[:5])
    assert (tmp_path / "answers.jsonl").read_text() == before


def test_a_file_of_something_else_keeps_its_last_line(
    engine: InferenceEngine, tmp_path: Path
) -> None:
    out = tmp_path / "answers.jsonl"
    # The rows themselves, whose last line has no newline; and a note.
    rows = "\n".join(map(json.dumps, ROWS))
    for content in (rows, "a note", json.dumps({"row": "rows.jsonl:2"})):
        out.write_text(content)
        with pytest.raises(ValueError, match=r"answers\.jsonl:1 is no answer to row 1"):
            call(engine, tmp_path)
        assert out.read_text() == content


def test_a_bad_row_stops_after_the_answers_before_it(
    engine: InferenceEngine, tmp_path: Path
) -> None:
    bad = [*ROWS[:2], {"question": "what is 3?", "task": "noo"}, *ROWS[3:]]
    with pytest.raises(ValueError, match=r"^rows\.jsonl:3: .*there is no task 'noo'"):
        call(engine, tmp_path, bad)
    assert len((tmp_path / "answers.jsonl").read_text().splitlines()) == 2
    assert call(engine, tmp_path) == (2, 4)
