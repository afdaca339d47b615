"""Answers under load in CPU time: `python -m experiments.scheduler_load RUN --case NAME`.

16 clients, each of which asks the next prompt of the run's test rows when its answer is whole, in
one process without HTTP; and one such client. The clock counts the CPU seconds of the process,
which with one thread are those of an idle machine, whatever else runs on this one: times to the
first token can be compared where `experiments.server_load` would measure the neighbours. Encoding a
prompt counts, as if no other core did it. The result is a case of
benchmarks/results/scheduler-load-cpu.json.
"""

import argparse
import json
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from benchmarks.provenance import SEED, provenance
from coterie.data.sample import TextSample
from coterie.serve.engine import InferenceEngine
from coterie.serve.job import Job, Piece
from coterie.serve.sampling import Sampling
from coterie.train.run import Run
from experiments.habits import RESULTS
from experiments.server_load import (
    AT_A_TIME,
    Answered,
    compare,
    describe,
    list_samples,
    save,
    spread,
)


@dataclass(kw_only=True)
class Client:
    """The times of one request, on the clock of CPU time."""

    clock: Callable[[], float]
    started_s: float = 0.0
    pieces_s: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.started_s = self.clock()

    def report(self, piece: Piece) -> None:
        self.pieces_s.append(self.clock() - self.started_s)

    def finish(self, job: Job) -> Answered:
        if job.error is not None:
            raise job.error
        return Answered(text=job.text.text, first_s=self.pieces_s[0], whole_s=self.pieces_s[-1])


def answer_all(
    engine: InferenceEngine,
    samples: Sequence[TextSample],
    tokens: Sequence[int],
    clients: int,
    clock: Callable[[], float] = time.process_time,
) -> list[Answered]:
    """Return the answers in the order of the samples.

    Args:
        engine: what answers.
        samples: the prompts.
        tokens: the lengths of the answers; empty for those that the tasks have.
        clients: how many ask at a time.
        clock: CPU seconds.
    """
    asked: list[tuple[Client, Job]] = []
    waiting = deque(range(len(samples)))
    while waiting or any(job.reason is None for _, job in asked):
        while waiting and sum(job.reason is None for _, job in asked) < clients:
            number = waiting.popleft()
            client = Client(clock=clock)
            sampling = Sampling(max_tokens=tokens[number]) if tokens else None
            job = engine.make_job(samples[number], sampling, report=client.report)
            if tokens:
                job.ends = frozenset()
            asked.append((client, job))
            engine.scheduler.submit([job])
        engine.scheduler.step()
    return [client.finish(job) for client, job in asked]


def measure(
    engine: InferenceEngine, samples: Sequence[TextSample], tokens: Sequence[int], alone: int
) -> dict[str, Any]:
    """Answer the first `alone` samples one at a time, and all together; return both speeds."""
    answer_all(engine, samples[:4], tokens[:4], 1)  # what is allocated once
    speeds, texts = [], []
    for count, clients in ((alone, 1), (len(samples), AT_A_TIME)):
        started_s = time.process_time()
        answers = answer_all(engine, samples[:count], tokens[:count], clients)
        speeds.append(describe(answers, time.process_time() - started_s))
        texts.append([each.text for each in answers[:alone]])
    different = sum(one != other for one, other in zip(*texts, strict=True))
    return {
        "requests": len(samples), "requests_one_at_a_time": alone, "at_a_time": AT_A_TIME,
        "one_at_a_time": speeds[0], "together": speeds[1], "different_answers": different,
        **compare(*speeds),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("--case", required=True, help="the name of the result")
    parser.add_argument("--requests", type=int, default=96)
    parser.add_argument("--alone", type=int, default=24, help="how many of them one at a time")
    parser.add_argument("--answer-tokens", type=int, nargs=2, metavar=("LEAST", "MOST"))
    given = parser.parse_args()
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    run = Run.read(given.run)
    engine = InferenceEngine.from_run(run, device="cpu", max_rows=AT_A_TIME)
    samples = list_samples(run, given.requests)
    lengths = given.answer_tokens
    tokens = [spread(number, *lengths) for number in range(len(samples))] if lengths else []
    case = {
        "case": given.case, **provenance(torch.device("cpu")), "recipe": run.config.recipe.name,
        "tasks": list(run.task_names), "answer_tokens": lengths,
        **measure(engine, samples, tokens, given.alone),
    }  # fmt: skip
    save("scheduler_load", case, Path(RESULTS) / "scheduler-load-cpu.json")
    print(json.dumps(case, indent=1))


if __name__ == "__main__":
    main()
