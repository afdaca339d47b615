"""A server under load: `python -m experiments.server_load RUN --case NAME`, minutes on two cores.

Rows of the run's test splits, of its tasks in turn, are asked over HTTP: one at a time, and 16 at a
time. The answers must be the same. `--answer-tokens 16 48` makes them so long, the lengths in turn,
whatever the model would end with. The result, with the times to the first token and of whole
requests, is a case of benchmarks/results/server-load-cpu.json. The clients share the machine.
"""

import argparse
import base64
import json
import multiprocessing
import os
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil
import torch

from benchmarks.provenance import SEED, provenance
from coterie.data.sample import TextSample
from coterie.serve.engine import InferenceEngine
from coterie.train.run import Run
from experiments.habits import RESULTS
from tests.serve.api.servers import running

AT_A_TIME = 16
STRIDE = 13
PARTS = {"image": "image_url", "audio": "input_audio", "sound": "sound"}
"""Modality -> the type of its part in a message."""


@dataclass(frozen=True, kw_only=True)
class Answered:
    """An answer, and seconds from the request to its first token and to its end."""

    text: str
    first_s: float
    whole_s: float


def make_requests(run: Run, count: int, answer_tokens: Sequence[int] = ()) -> list[dict[str, Any]]:
    """Return the bodies of so many requests, of the run's tasks in turn.

    Args:
        run: whose test splits have the prompts.
        count: how many.
        answer_tokens: the least and the most tokens of an answer; empty for each task's most.
    """
    found = []
    for number, sample in enumerate(list_samples(run, count)):
        found.append(make_request(sample.task, sample))
        if answer_tokens:
            found[-1]["max_tokens"] = spread(number, *answer_tokens)
    return found


def list_samples(run: Run, count: int) -> list[TextSample]:
    """List so many samples of the run's test splits, of its tasks in turn."""
    rows = [run.config.tasks.get_text_task(name).read_samples("test") for name in run.task_names]
    found = []
    for number in range(count):
        own = rows[number % len(rows)]
        found.append(own[number // len(rows) % len(own)])
    return found


def spread(number: int, least: int, most: int) -> int:
    """Return a length for each number, of which neighbours are far apart and all come as often."""
    return least + number * STRIDE % (most - least + 1)


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


def serve(folder: str, never_ends: bool, pipe: Connection) -> None:
    """Serve a run in this process until the pipe is closed; send the server's address."""
    engine = InferenceEngine.from_run(folder, device="cpu", max_rows=AT_A_TIME)
    if never_ends:  # no token ends an answer
        engine.collator.end_of_turn = -1
        engine.loaded.model.generation_config.eos_token_id = None  # pyright: ignore[reportOptionalMemberAccess]
    with running(engine) as url:
        pipe.send(url)
        pipe.poll(None)


@contextmanager
def serving(folder: str, *, never_ends: bool) -> Iterator[tuple[str, psutil.Process]]:
    """Serve a run in a process of its own, and yield the server's address and process."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(folder, never_ends, theirs))
    process.start()
    theirs.close()
    try:
        yield ours.recv(), psutil.Process(process.pid)
    finally:
        ours.close()
        process.join()


def measure(url: str, bodies: Sequence[Mapping[str, Any]], workers: int) -> list[Any]:
    """Return the answers, and the seconds that all took, with so many requests at a time."""
    started = time.monotonic()
    with ThreadPoolExecutor(workers) as pool:
        answers = list(pool.map(partial(ask, url), bodies))
    return [answers, time.monotonic() - started]


def measure_case(
    url: str,
    server: psutil.Process,
    bodies: Sequence[Mapping[str, Any]],
    warm_up: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Ask one at a time and together; return both speeds, and how many answers differ."""
    found: dict[str, Any] = {"requests": len(bodies), "at_a_time": AT_A_TIME}
    texts = []
    measure(url, warm_up, 1)  # what is allocated once
    for name, workers in (("one_at_a_time", 1), ("together", AT_A_TIME)):
        cpu_s = sum(server.cpu_times()[:2])
        answers, seconds = measure(url, bodies, workers)
        cpu_s = sum(server.cpu_times()[:2]) - cpu_s  # of user and system
        # Unlike seconds, hardly longer where others use the machine.
        found[name] = describe(answers, seconds) | {
            "cpu_s_per_request": round(cpu_s / len(bodies), 4)
        }
        found[name]["load_average"] = round(os.getloadavg()[0], 1)
        texts.append([each.text for each in answers])
    return found | {
        "different_answers": sum(one != other for one, other in zip(*texts, strict=True)),
        **compare(found["one_at_a_time"], found["together"]),
    }


def compare(alone: Mapping[str, float], together: Mapping[str, float]) -> dict[str, float]:
    """Return how many times those of one at a time the numbers together are."""
    names = {
        "throughput_of_one_at_a_time": "requests_per_s",
        "cpu_of_one_at_a_time": "cpu_s_per_request",
        "first_token_of_idle": "first_median_s",
    }
    return {
        name: round(together[key] / alone[key], 3) for name, key in names.items() if key in alone
    }


def save(experiment: str, case: Mapping[str, Any], file: Path) -> None:
    """Write a case into a file of cases, in place of the one of its name."""
    cases = json.loads(file.read_text(encoding="utf-8"))["cases"] if file.exists() else []
    others = [each for each in cases if each["case"] != case["case"]]
    result = {"experiment": experiment, "cases": [*others, case]}
    file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("--case", required=True, help="the name of the result")
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--answer-tokens", type=int, nargs=2, metavar=("LEAST", "MOST"))
    given = parser.parse_args()
    torch.manual_seed(SEED)
    run = Run.read(given.run)
    bodies = make_requests(run, given.requests, given.answer_tokens or ())
    with serving(given.run, never_ends=bool(given.answer_tokens)) as (url, server):
        found = measure_case(url, server, bodies, bodies[: len(run.task_names)])
    case = {
        "case": given.case, **provenance(torch.device("cpu")),
        "recipe": run.config.recipe.name, "tasks": list(run.task_names),
        "answer_tokens": given.answer_tokens, **found,
    }  # fmt: skip
    save("server_load", case, Path(RESULTS) / "server-load-cpu.json")
    print(json.dumps(case, indent=1))


if __name__ == "__main__":
    main()
