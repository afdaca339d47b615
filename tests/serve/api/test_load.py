"""Load: 200 requests of several tasks, 16 at a time: none is lost, and answers are as alone."""

import json
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from coterie.serve.engine import InferenceEngine
from coterie.serve.sampling import Sampling
from tests.serve.api.test_app import ask, wait_for
from tests.serve.api.test_hostile_requests import send

COUNT, AT_A_TIME = 200, 16


@pytest.mark.slow
def test_two_hundred_requests(url: str, engine: InferenceEngine) -> None:
    asked = [(("yes", "no")[n % 2], f"what is {n}?", 1 + n % 9) for n in range(COUNT)]
    wanted = [
        engine.ask(question, task=task, sampling=Sampling(max_tokens=tokens))
        for task, question, tokens in asked
    ]
    seconds: list[float] = []

    def call(number: int) -> tuple[int, Any]:
        task, question, tokens = asked[number]
        started = time.monotonic()
        body = {"model": task, "messages": ask(question), "max_tokens": tokens}
        found = send(url, json.dumps(body))
        seconds.append(time.monotonic() - started)
        return found

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        found = list(pool.map(call, range(COUNT)))
    assert [status for status, _ in found] == [200] * COUNT
    assert [body["choices"][0]["message"]["content"] for _, body in found] == wanted
    wait_for(lambda: engine.scheduler.is_idle)
    print(f"median {statistics.median(seconds):.3f} s, longest {max(seconds):.3f} s")


@pytest.mark.slow
def test_two_thousand_bad_requests_leave_nothing_behind(url: str, engine: InferenceEngine) -> None:
    import psutil

    bad: list[bytes] = [
        b"{", b"[]", json.dumps({"model": "nah", "messages": ask()}).encode(),
        json.dumps({"model": "no", "messages": ask("x" * 19_000)}).encode(),
        json.dumps({"model": "no", "messages": ask(), "temperature": 9}).encode(),
    ]  # fmt: skip

    def call(number: int) -> int:
        return send(url, bad[number % len(bad)])[0]

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        list(pool.map(call, range(200)))  # what is allocated once
        before = psutil.Process().memory_info().rss
        statuses = set(pool.map(call, range(2000)))
    grown = psutil.Process().memory_info().rss - before
    assert statuses == {400, 404} and grown < 20 * 2**20, grown
    assert engine.scheduler.is_idle
    print(f"grown by {grown / 2**20:.1f} MiB")
