"""Six tasks that a tag tells apart: `python -m experiments.tagged`, minutes of a GPU.

The tasks of `experiments.one_prompt`, in pairs on the same drawings, photos of food and recordings;
instead of a question each has the number of its dataset: "Dataset 3." So an input says which answer
is meant, in a word whose meaning has to be learnt. Besides the systems of `experiments.habits`:
what the average of Awaker's gate spans, its stages, and which layers share a gate. A second call
goes on where the first was stopped. `--systems` trains some of them. The result is
benchmarks/results/tagged-cuda.json, or tagged-cpu.json.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

import coterie
from coterie.data.task_sampling import TaskSampling
from coterie.task_file import read_tasks
from coterie_demo.showcase import PANTRY
from experiments.expert_usage import read_information, read_largest_share
from experiments.habit_systems import ALONE, AT, LEARNING_RATE, check_sizes, make_systems
from experiments.one_prompt import TASKS
from experiments.parts import in_parts, read_provenance, share_work, write_provenance

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"
SEEDS = (0, 1, 2)
STAGES = (12, 24, 12)
"""Steps of Awaker's stages; the other systems have one stage of as many."""
PER_TASK = 3
"""Samples of each task in a step."""
LIMIT = 150
"""Test samples of a task; three have fewer, 86, 110 and 126."""
SYSTEMS = tuple(make_systems())


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One training and its evaluation; `task` is that of a single-task model."""

    system: str
    seed: int
    task: str | None = None

    @property
    def path(self) -> str:
        parts = [self.system, f"seed-{self.seed}", *([self.task] if self.task else [])]
        return "/".join(parts)


def list_units(systems: Sequence[str] = SYSTEMS) -> Iterator[Unit]:
    """Yield all units, all of a seed before the next."""
    for seed in SEEDS:
        for system in systems:
            yield from list_of_system(system, seed)


def list_of_system(system: str, seed: int) -> list[Unit]:
    tasks = TASKS if system == ALONE else (None,)
    return [Unit(system=system, seed=seed, task=task) for task in tasks]


def train_and_score(unit: Unit, out: Path) -> None:
    found = read_tasks(PANTRY)
    tasks = [
        replace(found.get_text_task(name), prompt=f"Dataset {number}.")
        for number, name in enumerate(TASKS, start=1)
        if unit.task in (None, name)
    ]
    trained = coterie.train(
        make_systems(STAGES)[unit.system],
        base="embedded",
        tasks=tasks,
        out=out / unit.path,
        resume=True,
        progress=False,
        mix=TaskSampling(temperature="equal"),
        seed=unit.seed,
        steps=sum(STAGES),
        batch_size=PER_TASK * len(tasks),
        learning_rate=LEARNING_RATE,
    )
    coterie.evaluate(trained, limit=LIMIT, batch_size=32)


def summarise(out: Path, systems: Sequence[str] = SYSTEMS) -> dict[str, Any]:
    """Compare the systems over the seeds that all of them have.

    They are compared with the shared LoRA, and with single-task models if these are among them.
    """
    folders = {
        seed: {name: [out / unit.path for unit in list_of_system(name, seed)] for name in systems}
        for seed in SEEDS
    }
    seeds = [
        seed
        for seed in SEEDS
        if all((f / "scores.json").is_file() for each in folders[seed].values() for f in each)
    ]
    runs = {
        name: [coterie.Run.read(folder) for seed in seeds for folder in folders[seed][name]]
        for name in systems
    }
    shared = {name: each for name, each in runs.items() if name != ALONE}
    alone = {"table": coterie.compare(runs, baseline=runs[ALONE]).dump()} if ALONE in runs else {}
    return {
        "seeds": seeds,
        **alone,
        "against_shared_lora": coterie.compare(shared, baseline=runs["shared_lora"]).dump(),
        "gates": {
            name: {
                "information": [
                    fmean(read_information(run.folder, "chosen").values()) for run in each
                ],
                "largest_share": [read_largest_share(run.folder) for run in each],
            }
            for name, each in runs.items()
            if name.startswith("awaker")
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/tagged"))
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=SYSTEMS)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument(
        "--until", type=float, default=1e18, help="start no unit after it, in Unix time"
    )
    parser.add_argument("--part", type=int, help="be one of the processes")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.part is not None:
        write_provenance(given.out)
        units = {unit.path: unit for unit in list_units(given.systems)}
        share_work(
            units, given.out / "claims", lambda unit: train_and_score(unit, given.out), given.until
        )
        return
    sizes = check_sizes(TASKS)
    chosen = ("--until", str(given.until), "--systems", *given.systems)
    in_parts("experiments.tagged", given.out, given.processes, *chosen)
    facts = read_provenance(given.out)
    facts |= {
        "tasks": TASKS, "at": AT, "stages": STAGES, "samples_per_task_and_step": PER_TASK,
        "learning_rate": LEARNING_RATE, "limit": LIMIT, "trained_parameters": sizes,
        **summarise(given.out, given.systems),
    }  # fmt: skip
    file = RESULTS / f"tagged-{facts['device']}.json"
    file.write_text(json.dumps(facts, indent=1) + "\n")
    print(file)


if __name__ == "__main__":
    main()
