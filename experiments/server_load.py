"""A server under load: `python -m experiments.server_load RUN`, minutes on two cores.

Rows of the run's test splits, of its tasks in turn, are asked over HTTP: one at a time, and 16 at a
time. The answers must be the same. The result, with the times to the first token and of whole
requests, is benchmarks/results/server-load-cpu.json. Client and server share the machine.
"""

import argparse
import base64
import json
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import torch

from benchmarks.provenance import SEED, provenance
from coterie.data.sample import TextSample
from coterie.serve.engine import InferenceEngine
from coterie.train.run import Run
from experiments.habits import RESULTS
from tests.serve.api.servers import running

AT_A_TIME = 16
PARTS = {"image": "image_url", "audio": "input_audio", "sound": "sound"}
"""Modality -> the type of its part in a message."""


@dataclass(frozen=True, kw_only=True)
class Answered:
    """An answer, and seconds from the request to its first token and to its end."""

    text: str
    first_s: float
    whole_s: float


def make_requests(run: Run, count: int) -> list[dict[str, Any]]:
    """Return the bodies of so many requests, of the run's tasks in turn."""
    rows = {task.name: task.read_samples("test") for task in run.config.tasks.tasks}  # pyright: ignore[reportAttributeAccessIssue]
    found = []
    for number in range(count):
        name = run.task_names[number % len(rows)]
        place = number // len(rows) % len(rows[name])
        found.append(make_request(name, rows[name][place]))
    return found


def make_request(task: str, sample: TextSample) -> dict[str, Any]:
    """Return the body of the request that asks a sample's prompt."""
    [message] = sample.messages
    parts: list[dict[str, Any]] = []
    for part in message.parts:
        if isinstance(part, str):
            parts.append({"type": "text", "text": part})
        else:
            kind, data = PARTS[part.kind], base64.b64encode(part.read_bytes()).decode()
            parts.append({"type": kind, kind: {"data": data}})
    messages = [{"role": "user", "content": parts}]
    return {"model": task, "stream": True, "messages": messages}


def ask(url: str, body: Mapping[str, Any]) -> Answered:
    """Send a request, and read its answer piece by piece."""
    connection = HTTPConnection(url.removeprefix("http://"), timeout=600)
    started = time.monotonic()
    connection.request(
        "POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"}
    )
    response = connection.getresponse()
    if response.status != 200:
        raise AssertionError(response.read().decode())
    first_s, text = 0.0, ""
    for piece in read_pieces(response):
        first_s = first_s or time.monotonic() - started
        text += piece["choices"][0]["delta"].get("content") or ""
    connection.close()
    return Answered(text=text, first_s=first_s, whole_s=time.monotonic() - started)


def read_pieces(response: Any) -> Iterator[Mapping[str, Any]]:
    for line in response:
        data = line.decode().removeprefix("data: ").strip()
        if data and data != "[DONE]":
            yield json.loads(data)


def describe(answers: Sequence[Answered], seconds: float) -> dict[str, float]:
    """Return medians and 95th percentiles, in seconds, and requests per second."""
    found: dict[str, float] = {"requests_per_s": len(answers) / seconds}
    for name in ("first_s", "whole_s"):
        values = sorted(getattr(each, name) for each in answers)
        found[f"{name[:-2]}_median_s"] = statistics.median(values)
        found[f"{name[:-2]}_p95_s"] = values[round(0.95 * (len(values) - 1))]
    return {name: round(value, 4) for name, value in found.items()}


def measure(url: str, bodies: Sequence[Mapping[str, Any]], workers: int) -> list[Any]:
    """Return the answers, and the seconds that all took, with so many requests at a time."""
    started = time.monotonic()
    with ThreadPoolExecutor(workers) as pool:
        answers = list(pool.map(partial(ask, url), bodies))
    return [answers, time.monotonic() - started]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("--requests", type=int, default=200)
    given = parser.parse_args()
    torch.manual_seed(SEED)
    run = Run.read(given.run)
    engine = InferenceEngine.from_run(run, device="cpu", max_rows=AT_A_TIME)
    bodies = make_requests(run, given.requests)
    with running(engine) as url:
        measure(url, bodies[: len(run.task_names)], 1)  # what is allocated once
        alone, alone_s = measure(url, bodies, 1)
        together, together_s = measure(url, bodies, AT_A_TIME)
    pairs = zip(alone, together, strict=True)
    different = sum(one.text != other.text for one, other in pairs)
    idle, loaded = describe(alone, alone_s), describe(together, together_s)
    result = {
        "experiment": "server_load", **provenance(torch.device("cpu")),
        "recipe": run.config.recipe.name, "tasks": list(run.task_names),
        "requests": len(bodies), "at_a_time": AT_A_TIME, "different_answers": different,
        "one_at_a_time": idle, "together": loaded,
        "first_token_of_idle": round(loaded["first_median_s"] / idle["first_median_s"], 3),
    }  # fmt: skip
    file = Path(RESULTS) / "server-load-cpu.json"
    file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
