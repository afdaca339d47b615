"""`coterie serve` beside `transformers serve`: `python -m experiments.serve_beside_transformers`.

Eight text tasks of one run (MOELoRA on the embedded language model of 135 million parameters, a few
steps): coterie serves the run, transformers a merged checkpoint of each task. The same requests, of
all tasks in turn, 16 at a time, in float32 on a CPU. Peak memory is the server process's. The
result is benchmarks/results/serve-beside-cpu.json. Ten minutes on two cores, and 5 GB of disk.
transformers' `--continuous-batching` is left out: version 5.23 closed connections without an answer
when requests of several models met.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import torch

import coterie
from benchmarks.provenance import SEED, provenance
from coterie.paths import get_cache_dir
from coterie.tasks import TextTask, TextTasks
from experiments.habits import RESULTS
from experiments.server_load import AT_A_TIME, Answered, describe, measure

TASKS, ROWS, ANSWER_TOKENS = 8, 25, 16
SUBJECTS = ("river", "mountain", "bridge", "violin", "garden", "market", "winter", "letter")
START_S = 300.0
"""How long a server may take to start."""


def write_question(subject: str, number: int) -> str:
    return f"Write a sentence about {subject} number {number}."


def make_tasks(folder: Path) -> TextTasks:
    """Write rows of each task, a question about its subject and numbers, and return the tasks."""
    tasks = []
    for subject in SUBJECTS[:TASKS]:
        rows = [
            {
                "question": f"Write a sentence about {subject} number {i}.",
                "answer": f"{subject} {i}",
            }
            for i in range(ROWS)
        ]
        file = folder / f"{subject}.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        tasks.append(TextTask(name=subject, rows={"train": str(file), "test": str(file)}))
    return TextTasks(tasks=tuple(tasks))


def make_bodies(models: Sequence[str]) -> list[dict[str, Any]]:
    """Return the requests, of all tasks in turn; `models` are the names of the tasks' models."""
    return [
        {
            "model": model, "stream": True, "temperature": 0, "max_tokens": ANSWER_TOKENS,
            "messages": [{"role": "user", "content": write_question(subject, number)}],
        }
        for number in range(ROWS)
        for model, subject in zip(models, SUBJECTS, strict=True)
    ]  # fmt: skip


@contextmanager
def serving(command: Sequence[str], health: str) -> Iterator[tuple[str, int]]:
    """Run a server's command with a free port, and yield its address and process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([*command, "--port", str(port)], stdout=subprocess.DEVNULL)
    try:
        wait_until_healthy(process, port, health)
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        process.wait(60)


def wait_until_healthy(process: subprocess.Popen[bytes], port: int, health: str) -> None:
    """Ask for its health until it answers. Raises RuntimeError if it ends or takes too long."""
    started = time.monotonic()
    while time.monotonic() - started < START_S and process.poll() is None:
        try:
            connection = HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", health)
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.5)
    raise RuntimeError(f"{process.args} has not started")


def read_peak_bytes(pid: int) -> int:
    """Return the most memory that a process had, of Linux's accounts."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"process {pid} has ended")


def measure_server(
    command: Sequence[str], health: str, models: Sequence[str]
) -> tuple[list[Answered], dict[str, Any]]:
    """Return a server's answers, and its speed and memory."""
    bodies = make_bodies(models)
    with serving(command, health) as (url, pid):
        measure(url, bodies[:TASKS], 1)  # loads what is loaded at the first request
        answers, seconds = measure(url, bodies, AT_A_TIME)
        peak = read_peak_bytes(pid)
    # The first piece of transformers' stream has no text: the times to the first are left out.
    speed = {name: x for name, x in describe(answers, seconds).items() if "first" not in name}
    return answers, {**speed, "peak_bytes": peak}


def prepare(out: Path) -> tuple[Path, list[str]]:
    """Train the run, and extract a merged checkpoint of each task, unless they are there."""
    out.mkdir(parents=True, exist_ok=True)
    tasks = make_tasks(out)
    base = get_cache_dir() / "weights" / "llm"
    run = coterie.train(
        "moelora", base=str(base), tasks=tasks, out=out / "run", steps=8, batch_size=8,
        precision="float32", device="cpu", resume=(out / "run").exists(),
    )  # fmt: skip
    folders = []
    for name in run.task_names:
        folders.append(str(out / f"merged-{name}"))
        if not Path(folders[-1]).exists():
            coterie.extract(run, task=name, to=folders[-1], format="merged")
    return run.folder, folders


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/serve-beside"))
    given = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    torch.manual_seed(SEED)
    run, merged = prepare(given.out.absolute())
    python = sys.executable
    own = (python, "-m", "coterie", "serve", str(run), "--device", "cpu")
    theirs = (str(Path(python).with_name("transformers")), "serve", "--device", "cpu",
              "--dtype", "float32")  # fmt: skip
    answers, ours = measure_server(own, "/healthz", SUBJECTS[:TASKS])
    result: dict[str, Any] = {
        "experiment": "serve_beside_transformers", **provenance(torch.device("cpu")),
        "tasks": TASKS, "requests": TASKS * ROWS, "at_a_time": AT_A_TIME,
        "answer_tokens": ANSWER_TOKENS, "coterie serve": ours,
    }  # fmt: skip
    others, found = measure_server(theirs, "/health", merged)
    pairs = zip(answers, others, strict=True)
    different = sum(one.text.strip() != other.text.strip() for one, other in pairs)
    result["transformers serve"] = {**found, "different_answers": different}
    file = Path(RESULTS) / "serve-beside-cpu.json"
    file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
