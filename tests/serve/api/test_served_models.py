"""Names of tasks, "auto" where no gate asks for one, and prompts with columns and pictures."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from coterie.data.sample import MediaFile, Message
from coterie.serve.api.api_error import ApiError
from coterie.serve.api.asked import Asked
from coterie.serve.api.served_models import ServedModels
from coterie.serve.engine import InferenceEngine
from coterie.serve.limits import ServerLimits
from tests.evaluate.runs import run, says, task

LIMITS = ServerLimits(answer_tokens=9)


def asked(*parts: str | MediaFile, model: str = "yes", **more: object) -> Asked:
    message = Message(role="user", parts=parts)
    return Asked(**{"model": model, "messages": (message,), "sampling": {}, **more})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def free(tmp_path_factory: pytest.TempPathFactory) -> ServedModels:
    """A run whose gates read tokens, and a task with a prompt of two columns."""
    folder = tmp_path_factory.mktemp("free")
    prompt = "Say {tone}: {question?}"
    tasks = task(folder, "yes", says("yes")), replace(task(folder, "no", says("no")), prompt=prompt)
    engine = InferenceEngine.from_run(run(folder / "two", tasks).folder, device="cpu")
    return ServedModels.of(engine, LIMITS)


def test_auto_is_where_no_gate_asks_for_the_task(
    free: ServedModels, engine: InferenceEngine
) -> None:
    assert free.names == ("yes", "no", "auto") and free.describe("auto")["id"] == "auto"
    assert ServedModels.of(engine, LIMITS).names == ("yes", "no")


def test_a_question_goes_through_the_task_s_prompt(free: ServedModels) -> None:
    columns = {"tone": "softly"}
    sample = free.make_sample(asked("hello", model="no", columns=columns))
    assert sample.get_last_user_text() == "Say softly: hello"
    assert free.make_sample(asked("hello", model="auto")).get_last_user_text() == "hello"
    with pytest.raises(ApiError, match="columns has 'image', and the prompt of no has question, t"):
        free.make_sample(asked("hello", model="no", columns={"image": "a.png"}))
    with pytest.raises(ApiError, match="task no: tone: is missing or null"):
        free.make_sample(asked("hello", model="no"))
    with pytest.raises(ApiError, match="columns are of a task's prompt"):
        free.make_sample(asked("hello", model="auto", columns=columns))


def test_pictures_stand_before_the_question(free: ServedModels, tmp_path: Path) -> None:
    held = io.BytesIO()
    Image.new("RGB", (4, 4)).save(held, "PNG")
    item = MediaFile(kind="image", content=held.getvalue())
    sample = free.make_sample(asked("what is it?", item))
    assert sample.messages[0].parts == (item, "what is it?")
    with pytest.raises(ApiError, match="the prompt of task 'yes' has a question in it, and there"):
        free.make_sample(asked(item))


def test_sampling_of_each_answer(free: ServedModels) -> None:
    usual = free.make_sampling(asked("x"), "yes")
    assert [each.max_tokens for each in usual] == [3]  # the task's
    three = free.make_sampling(asked("x", sampling={"seed": 5}, answers=3, max_tokens=9), "yes")
    assert [each.seed for each in three] == [5, 6, 7]
    with pytest.raises(ApiError, match="max_tokens=10: at most 9 are generated") as raised:
        free.make_sampling(asked("x", max_tokens=10), "yes")
    assert raised.value.param == "max_tokens"
    with pytest.raises(ApiError, match="top_p=2") as raised:
        free.make_sampling(asked("x", sampling={"top_p": 2.0}), "yes")
    assert raised.value.param == "top_p"
