"""Tiny runs that answer: as one at a time, in batches of tasks, with media, and what is refused."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from coterie.data.sample import TextSample
from coterie.serve.engine import InferenceEngine
from coterie.serve.sampling import Sampling
from coterie.train.run import Run
from tests.evaluate.dense_runs import RandomPictures, dense_run
from tests.serve.engines import answer_alone, load, two_tasks


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return two_tasks(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def engine(made: Run) -> InferenceEngine:
    return load(made, max_rows=4)


def test_answers_are_those_of_one_at_a_time(made: Run, engine: InferenceEngine) -> None:
    rows: list[TextSample] = []
    for name in made.task_names:
        samples = made.config.tasks.get_text_task(name).read_samples("test")
        rows += [samples[number] for number in range(4)]
    rows = rows[::2] + rows[1::2]  # both tasks in every batch
    wanted = answer_alone(engine, rows, tokens=6)
    assert len(set(wanted)) > 4
    found = list(engine.answer(rows, Sampling(max_tokens=6)))
    assert [job.text.text for job in found] == wanted
    assert {job.reason for job in found} <= {"stop", "length"} and engine.scheduler.is_idle
    # The task's id is that of the run, not of the one task.
    assert found[-1].prompt["task_ids"].tolist() == [1]
    [short] = answer_alone(engine, rows[-1:], tokens=3)  # the tasks' longest
    assert engine.ask(rows[-1].get_last_user_text(), task="no") == short


def test_a_task_must_be_named_where_there_are_several(made: Run, engine: InferenceEngine) -> None:
    with pytest.raises(ValueError, match="there are several tasks: give one of yes, no"):
        engine.ask("what is 3?")
    said = re.escape("there is no task 'noo' (did you mean no?): give one of yes, no")
    with pytest.raises(ValueError, match=f"^{re.escape(str(made.folder))}: {said}"):
        engine.make_prompt("noo")


def test_answers_before_a_bad_prompt_are_given(engine: InferenceEngine) -> None:
    prompt = engine.make_prompt("yes")

    def samples() -> Iterator[TextSample]:
        yield prompt.ask("what is 1?")
        yield prompt.ask("what is 2?")
        yield prompt.ask("")

    jobs = engine.answer(samples())
    assert [next(jobs).text.text, next(jobs).text.text] == [
        engine.ask(f"what is {number}?", task="yes") for number in (1, 2)
    ]
    with pytest.raises(ValueError, match="question"):
        next(jobs)


def test_who_leaves_early_frees_the_rows(engine: InferenceEngine) -> None:
    prompt = engine.make_prompt("yes")
    jobs = engine.answer(prompt.ask(f"what is {number}?") for number in range(9))
    next(jobs)
    jobs.close()
    engine.scheduler.step()
    assert engine.scheduler.is_idle


def test_a_missing_file(engine: InferenceEngine, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.png"):
        engine.ask("what is it?", task="yes", media={"image": [str(tmp_path / "none.png")]})


def test_a_prompt_and_its_answer_fit_into_the_model(engine: InferenceEngine) -> None:
    # The tiny model has 2048 positions.
    assert engine.context_length == 2048
    prompt = engine.make_prompt("yes")
    with pytest.raises(ValueError, match=r"has \d+ tokens, and the model has positions for 2048"):
        engine.make_job(prompt.ask("word " * 2048))
    job = engine.make_job(prompt.ask("what?"), Sampling(max_tokens=9000))
    assert job.sampling.max_tokens == 2048 - job.prompt_tokens


def test_dense_tasks_have_no_answers_in_text(tmp_path: Path) -> None:
    dense = dense_run(tmp_path / "squad", RandomPictures())
    with pytest.raises(ValueError, match="tasks of a DenseTasks have no answers in text"):
        InferenceEngine.from_run(dense.folder)
