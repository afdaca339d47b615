"""OpenAI's own client against a server: answers are the engine's, whole, in pieces and together."""

import json
import runpy
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from coterie.serve.engine import InferenceEngine
from coterie.serve.sampling import Sampling
from tests.serve.api.servers import running

openai = pytest.importorskip("openai")
QUESTION = "what is 3?"


def ask(question: str = QUESTION) -> Any:
    return [{"role": "user", "content": question}]


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[Any]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as made:
        yield made


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_answers_are_those_of_the_engine(client: Any, engine: InferenceEngine) -> None:
    for task in ("yes", "no"):
        found = client.chat.completions.create(model=task, messages=ask())
        (choice,) = found.choices
        assert choice.message.content == engine.ask(QUESTION, task=task)
        assert choice.finish_reason == "length"  # the tasks' answers have three tokens
        assert found.usage.completion_tokens == 3
        assert found.usage.total_tokens == found.usage.prompt_tokens + 3


def test_pieces_add_up_to_the_answer(client: Any, engine: InferenceEngine) -> None:
    wanted = engine.ask(QUESTION, task="no", sampling=Sampling(max_tokens=12))
    options = {"stream": True, "stream_options": {"include_usage": True}}
    events = list(
        client.chat.completions.create(model="no", messages=ask(), max_tokens=12, **options)
    )
    *pieces, last = events
    assert "".join(each.choices[0].delta.content or "" for each in pieces) == wanted
    assert [each.choices[0].finish_reason for each in pieces][-1] == "length"
    assert pieces[0].choices[0].delta.role == "assistant"
    assert last.usage.completion_tokens == 12 and not last.choices


def test_options_of_an_answer(client: Any, engine: InferenceEngine) -> None:
    wanted = engine.ask(QUESTION, task="no", sampling=Sampling(max_tokens=12))
    stop = wanted[2]
    cut = client.chat.completions.create(model="no", messages=ask(), max_tokens=12, stop=stop)
    assert cut.choices[0].message.content == wanted.partition(stop)[0].strip()
    assert cut.choices[0].finish_reason == "stop"

    hot = {"model": "no", "messages": ask(), "temperature": 1.5, "seed": 7, "n": 3}
    first, second = (client.chat.completions.create(**hot) for _ in range(2))
    texts = [choice.message.content for choice in first.choices]
    assert texts == [choice.message.content for choice in second.choices]
    assert len(set(texts)) > 1 and [choice.index for choice in first.choices] == [0, 1, 2]

    given = {"logprobs": True, "top_logprobs": 2}
    found = client.chat.completions.create(model="no", messages=ask(), **given)
    tokens = found.choices[0].logprobs.content
    assert len(tokens) == 3
    for token in tokens:  # the likeliest is taken
        assert token.logprob == token.top_logprobs[0].logprob > token.top_logprobs[1].logprob


def test_responses(client: Any, engine: InferenceEngine) -> None:
    wanted = engine.ask(QUESTION, task="yes", sampling=Sampling(max_tokens=9))
    found = client.responses.create(model="yes", input=QUESTION, max_output_tokens=9)
    assert found.output_text == wanted and found.usage.output_tokens == 9
    assert found.status == "incomplete"
    assert found.incomplete_details.reason == "max_output_tokens"
    events = list(
        client.responses.create(model="yes", input=ask(), max_output_tokens=9, stream=True)
    )
    deltas = [each.delta for each in events if each.type == "response.output_text.delta"]
    assert "".join(deltas) == wanted and events[-1].response.output_text == wanted
    assert [each.sequence_number for each in events] == list(range(len(events)))
    logprobs = {"include": ["message.output_text.logprobs"], "top_logprobs": 1}
    found = client.responses.create(model="yes", input=QUESTION, **logprobs)
    assert len(found.output[0].content[0].logprobs) == 3


def test_a_conversation_goes_through_the_chat_template(
    client: Any, engine: InferenceEngine
) -> None:
    turns = [{"role": "system", "content": "be short"}, *ask()]
    turns += [{"role": "assistant", "content": "three"}, *ask("and 4?")]
    found = client.chat.completions.create(model="no", messages=turns)
    alone = client.chat.completions.create(model="no", messages=ask("and 4?"))
    assert found.usage.prompt_tokens > alone.usage.prompt_tokens
    assert found.choices[0].message.content


def test_models(client: Any) -> None:
    # These gates ask for the task, so that there is no "auto".
    assert [model.id for model in client.models.list()] == ["yes", "no"]
    assert client.models.retrieve("yes").object == "model"


def test_errors_are_the_client_s_own(client: Any) -> None:
    with pytest.raises(openai.NotFoundError, match="there is no model 'nah': give one of yes, no"):
        client.chat.completions.create(model="nah", messages=ask())
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("auto")
    with pytest.raises(
        openai.BadRequestError, match=r"temperature=3\.0: give a number from 0 to 2"
    ):
        client.chat.completions.create(model="no", messages=ask(), temperature=3.0)
    with pytest.raises(openai.BadRequestError, match="tools is not supported"):
        tools = [{"type": "function", "function": {"name": "f"}}]
        client.chat.completions.create(model="no", messages=ask(), tools=tools)


def test_many_at_a_time_are_answered_as_one_at_a_time(client: Any, engine: InferenceEngine) -> None:
    asked = [(("yes", "no")[number % 2], f"what is {number}?") for number in range(10)]
    wanted = [
        engine.ask(question, task=task, sampling=Sampling(max_tokens=1 + number % 5))
        for number, (task, question) in enumerate(asked)
    ]

    def call(number: int) -> str:
        task, question = asked[number]
        found = client.chat.completions.create(
            model=task, messages=ask(question), max_tokens=1 + number % 5
        )
        return found.choices[0].message.content

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(call, range(10))) == wanted


@pytest.mark.parametrize("stream", [True, False])
def test_who_leaves_frees_the_row(url: str, engine: InferenceEngine, stream: bool) -> None:
    scheduler = engine.scheduler
    body = {"model": "no", "messages": ask(), "max_tokens": 64, "stream": stream}
    with scheduler.stepping:  # so that the answer is not whole before the client leaves
        connection = HTTPConnection(url.removeprefix("http://"), timeout=10)
        connection.request("POST", "/v1/chat/completions", json.dumps(body),
                           {"Content-Type": "application/json"})  # fmt: skip
        wait_for(lambda: len(scheduler.waiting) == 1)
        connection.close()
        wait_for(lambda: scheduler.waiting[0].is_cancelled)
    wait_for(lambda: scheduler.is_idle)


def test_a_full_queue_asks_to_come_again(url: str, client: Any, engine: InferenceEngine) -> None:
    scheduler = engine.scheduler
    with ThreadPoolExecutor(8) as pool:
        with scheduler.stepping:
            calls = [
                pool.submit(client.chat.completions.create, model="no", messages=ask(), n=3)
                for _ in range(8)
            ]
            wait_for(lambda: len(scheduler.waiting) == 24)
            with pytest.raises(openai.RateLimitError) as refused:
                client.chat.completions.create(model="no", messages=ask())
            assert refused.value.response.headers["retry-after"] == "1"
        assert all(len(call.result().choices) == 3 for call in calls)


def test_health_and_metrics(url: str) -> None:
    connection = HTTPConnection(url.removeprefix("http://"), timeout=10)
    connection.request("GET", "/healthz")
    assert json.loads(connection.getresponse().read()) == {"status": "ok"}
    connection.request("GET", "/metrics")
    page = connection.getresponse().read().decode()
    answered = 'coterie_requests_total{path="/v1/chat/completions",model="no",status="200"}'
    assert answered in page and "coterie_running_answers 0" in page
    connection.close()


def test_a_key_and_what_begun_answers_do_when_the_server_ends(engine: InferenceEngine) -> None:
    answers: list[str] = []
    with running(engine, api_key="a key") as url:
        with openai.OpenAI(base_url=f"{url}/v1", api_key="another", max_retries=0) as wrong:
            with pytest.raises(openai.AuthenticationError, match="missing or wrong"):
                wrong.chat.completions.create(model="no", messages=ask())
        right = openai.OpenAI(base_url=f"{url}/v1", api_key="a key", max_retries=0)

        def call() -> None:
            found = right.chat.completions.create(model="no", messages=ask(), max_tokens=20)
            answers.append(found.choices[0].message.content)

        caller = threading.Thread(target=call)
        caller.start()
        wait_for(lambda: not engine.scheduler.is_idle or bool(answers))
    caller.join()
    right.close()
    assert answers == [engine.ask(QUESTION, task="no", sampling=Sampling(max_tokens=20))]


def test_the_example(
    url: str,
    engine: InferenceEngine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    example = Path(__file__).parents[3] / "examples" / "ask_server.py"
    monkeypatch.setattr(sys, "argv", [str(example), f"{url}/v1", "yes", QUESTION])
    runpy.run_path(str(example))
    assert capsys.readouterr().out == engine.ask(QUESTION, task="yes") + "\n"
