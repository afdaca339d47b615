"""Questions to tiny runs: which task answers, what a prompt has, and runs without text answers."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from coterie.serve.engine import InferenceEngine
from coterie.tasks.text.generation import predict
from coterie.train.run import Run
from tests.evaluate.dense_runs import RandomPictures, dense_run
from tests.evaluate.runs import run, says, task


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("runs")
    return run(folder / "two", (task(folder, "yes", says("yes")), task(folder, "no", says("no"))))


def test_the_answer_is_that_of_the_same_row(made: Run) -> None:
    engine = InferenceEngine.from_run(made.folder, task="no")
    row = made.config.tasks.get_text_task("no").read_samples("test")[3]
    [wanted], _ = predict(engine.loaded, engine.collator, [row], batch_size=1, max_new_tokens=3)
    assert row.get_last_user_text() == "what is 3?"
    assert engine.answer("what is 3?") == wanted
    # The task's id is that of the run, not of the one task.
    assert engine.collator.collate_prompts([row])["task_ids"].tolist() == [1]


def test_a_task_must_be_named_where_there_are_several(made: Run) -> None:
    with pytest.raises(ValueError, match="there are several tasks: give one of yes, no"):
        InferenceEngine.from_run(made.folder)
    said = re.escape("there is no task 'noo' (did you mean no?): give one of yes, no")
    with pytest.raises(ValueError, match=f"^{re.escape(str(made.folder))}: {said}"):
        InferenceEngine.from_run(made.folder, task="noo")


def test_a_missing_file_and_an_empty_question(made: Run, tmp_path: Path) -> None:
    engine = InferenceEngine.from_run(
        made.folder, task="yes", media={"image": [str(tmp_path / "none.png")]}
    )
    with pytest.raises(ValueError, match=r"none\.png"):
        engine.answer("what is it?")
    with pytest.raises(ValueError, match="question"):
        InferenceEngine.from_run(made.folder, task="yes").answer("")


def test_several_files_in_order_and_a_prompt_without_a_question(made: Run) -> None:
    files = {"image": ["b.png", "a.png"], "audio": ["word.wav"]}
    engine = InferenceEngine.from_run(made.folder, task="yes", media=files)
    assert engine.media == {"images": ["b.png", "a.png"], "audio": "word.wav"}
    assert engine.needs_question
    fixed = replace(engine, task=replace(engine.task, prompt="say yes"), media={})
    assert not fixed.needs_question and fixed.answer_row({}) == fixed.answer("what is 3?")


def test_dense_tasks_have_no_answers_in_text(tmp_path: Path) -> None:
    dense = dense_run(tmp_path / "squad", RandomPictures())
    with pytest.raises(ValueError, match="tasks of a DenseTasks have no answers in text"):
        InferenceEngine.from_run(dense.folder, task="depth")
