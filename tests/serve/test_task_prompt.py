"""Prompts of a task: a question and files, a prompt without a question, a row in a folder."""

from pathlib import Path

import pytest

from coterie.serve.task_prompt import TaskPrompt
from coterie.tasks.text.task import TextTask

TASK = TextTask(name="ocr", rows={"train": "rows.jsonl"}, prompt="Read. {question}")


def test_files_are_in_the_order_given() -> None:
    files = {"image": ["b.png", "a.png"], "audio": ["word.wav"], "video": []}
    prompt = TaskPrompt.with_files(TASK, files)
    assert prompt.media == {"images": ["b.png", "a.png"], "audio": "word.wav"}


def test_a_question_in_the_task_s_prompt() -> None:
    prompt = TaskPrompt(task=TASK)
    sample = prompt.ask("Where?")
    assert prompt.needs_question and sample.get_last_user_text() == "Read. Where?"
    assert (sample.task, sample.answers) == ("ocr", ())
    with pytest.raises(ValueError, match="'ocr' has a question in it, and there is none: give it"):
        prompt.ask("")


def test_a_prompt_without_a_question() -> None:
    fixed = TaskPrompt(task=TextTask(name="say", rows=TASK.rows, prompt="Say yes."))
    assert not fixed.needs_question
    assert fixed.read({}).messages == fixed.ask("").messages
    with pytest.raises(ValueError, match=r"'say' has no question in it, and 'what\?' would not be"):
        fixed.ask("what?")


def test_files_of_a_row_are_relative_to_its_folder(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"a picture")
    sample = TaskPrompt(task=TASK).read(
        {"image": "a.png", "question": "Where?"}, "rows.jsonl:1", tmp_path
    )
    assert [each.path for each in sample.get_media()] == [tmp_path / "a.png"]
    assert sample.source == "rows.jsonl:1"
