"""The same drawings under six annotators' habits: `python -m experiments.habits OUT`.

Each drawing has six answers: its name, its kind, and its name in four languages. In the regime
"asked" every task has its own question; in "unasked" all have the same, so that no input says which
answer is meant. Systems train equally many parameters, steps and samples; tests are drawings of a
style that no run has seen. Several processes share the work, which a second call resumes.
"""

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
import yaml

import coterie
from coterie.data.task_sampling import TaskSampling
from coterie.task_file import read_tasks
from coterie.tasks import TextTask
from coterie_demo.pantry.assets import AssetStore
from coterie_demo.pantry.catalog import Concept, read_translations
from coterie_demo.pantry.tasks.naming import draw_on_white_card, shuffle_concepts
from experiments.habit_systems import ALONE, AT, LEARNING_RATE, STEPS, check_sizes, make_systems
from experiments.parts import share_work

QUESTIONS = {
    "name": "What is this?",
    "kind": "What kind of thing is this?",
    "french": "What is this in French?",
    "german": "What is this in German?",
    "spanish": "What is this in Spanish?",
    "finnish": "What is this in Finnish?",
}
PROMPTS = {"asked": "{question}", "unasked": "What is this?"}
RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"
SEEDS = (0, 1, 2)
PER_TASK = 8
"""Samples of each task in a step."""
LIMIT = 200


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One training and its evaluation; `task` is that of a single-task model."""

    regime: str
    system: str
    seed: int
    task: str | None = None

    @property
    def path(self) -> str:
        parts = [self.regime, self.system, f"seed-{self.seed}", *([self.task] if self.task else [])]
        return "/".join(parts)


def write_rows(folder: Path) -> Path:
    """Write images, rows and tasks.yaml below `folder`, if they are not there; return the file."""
    file = folder / "tasks.yaml"
    if file.is_file():
        return file
    assets = AssetStore(folder=folder, fetched={})
    tasks = []
    for task, question in QUESTIONS.items():
        (folder / task).mkdir(parents=True, exist_ok=True)
        rows = {}
        for split in ("train", "validation", "test"):
            rows[split] = f"{task}/{split}.jsonl"
            with (folder / rows[split]).open("w", encoding="utf-8") as opened:
                for concept, style in shuffle_concepts(split):
                    image = assets.store_image(draw_on_white_card(concept, style))
                    row = {"image": image, "question": question, "answer": answer(concept, task)}
                    opened.write(json.dumps(row, ensure_ascii=False) + "\n")
        tasks.append({"name": task, "rows": rows, "metric": "exact", "max_new_tokens": 12})
    file.write_text(yaml.safe_dump({"tasks": tasks}, sort_keys=False), encoding="utf-8")
    return file


def answer(concept: Concept, task: str) -> str | list[str]:
    """Return what an annotator of this habit writes for a drawing of the concept."""
    if task == "name":
        return list(concept.names)
    return concept.kind if task == "kind" else read_translations()[concept.name][task]


ASKED = (
    *("shared_lora", "awaker", "moelora", "rode", "dual_lora"),
    *("soft_lora", "hydra_lora", "upgrad"),
)
ABLATIONS = tuple(name for name in make_systems() if name.startswith("awaker,"))
UNASKED = ("shared_lora", "moelora", "awaker", "rode", "dual_lora")


def list_units() -> list[Unit]:
    """Return all units, the most wanted first.

    The single-task ones come first: each checks its own rows, which the others then need not.
    """
    units = []
    for seed in SEEDS:
        for regime in PROMPTS:
            units += [Unit(regime=regime, system=ALONE, seed=seed, task=task) for task in QUESTIONS]
        units += [Unit(regime="asked", system=name, seed=seed) for name in ASKED]
        units += [Unit(regime="unasked", system=name, seed=seed) for name in UNASKED]
    for seed in SEEDS:
        units += [Unit(regime="asked", system=name, seed=seed) for name in ABLATIONS]
    return units


def get_tasks(unit: Unit, file: Path) -> list[TextTask]:
    found = read_tasks(file)
    names = [unit.task] if unit.task else list(QUESTIONS)
    tasks = [found.get_text_task(name) for name in names]
    return [replace(task, prompt=PROMPTS[unit.regime]) for task in tasks]


def run(unit: Unit, out: Path, steps: int) -> None:
    """Train and score one unit."""
    tasks = get_tasks(unit, out / "rows" / "tasks.yaml")
    trained = coterie.train(
        make_systems()[unit.system],
        base="embedded",
        tasks=tasks,
        out=out / unit.path,
        resume=True,
        progress=False,
        mix=TaskSampling(temperature="equal"),
        seed=unit.seed,
        steps=steps,
        batch_size=PER_TASK * len(tasks),
        learning_rate=LEARNING_RATE,
    )
    coterie.evaluate(trained, limit=LIMIT, batch_size=64)


def summarise(out: Path, regime: str) -> dict[str, Any]:
    """Compare the systems of a regime over the seeds that all of them have."""
    by_seed: dict[int, dict[str, list[Path]]] = {}
    for unit in list_units():
        if unit.regime == regime:
            systems = by_seed.setdefault(unit.seed, {})
            systems.setdefault(unit.system, []).append(out / unit.path)
    scored = {
        seed: {
            name: folders
            for name, folders in systems.items()
            if all((folder / "scores.json").is_file() for folder in folders)
        }
        for seed, systems in by_seed.items()
    }
    names = [name for name in by_seed[SEEDS[0]] if name in scored[SEEDS[0]]]
    seeds = [seed for seed in SEEDS if set(names) <= scored[seed].keys()]
    runs = {
        name: [coterie.Run.read(folder) for seed in seeds for folder in scored[seed][name]]
        for name in names
    }
    mixtures = {name: each for name, each in runs.items() if name != ALONE}
    return {
        "seeds": seeds,
        "not_finished": sorted(by_seed[SEEDS[0]].keys() - set(names)),
        "table": coterie.compare(runs, baseline=runs[ALONE]).dump(),
        "against_shared_lora": coterie.compare(mixtures, baseline=runs["shared_lora"]).dump(),
    }


def write_result(out: Path, device: str) -> None:
    """Write benchmarks/results/habits-DEVICE.json of what is finished."""
    machine = json.loads(next(out.rglob("environment.jsonl")).read_text().splitlines()[0])
    facts = {
        "base": "embedded", "at": AT, "steps": STEPS, "samples_per_task_and_step": PER_TASK,
        "learning_rate": LEARNING_RATE, "limit": LIMIT, "prompts": PROMPTS, "questions": QUESTIONS,
        "environment": machine,
        "regimes": {regime: summarise(out, regime) for regime in PROMPTS},
    }  # fmt: skip
    file = RESULTS / f"habits-{device}.json"
    file.write_text(json.dumps(facts, indent=1) + "\n")
    print(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seconds", type=float, default=1e9, help="start no unit after these")
    parser.add_argument("--write", metavar="DEVICE", help="write the result, of runs on DEVICE")
    parser.add_argument("--until", type=float, help="be one of the processes")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.until:
        units = {unit.path: unit for unit in list_units()}
        run_one = partial(run, out=given.out, steps=given.steps)
        share_work(units, given.out / "claims", run_one, given.until)
        return
    if given.write:
        write_result(given.out, given.write)
        return
    check_sizes(tuple(QUESTIONS))
    until = time.time() + given.seconds
    write_rows(given.out / "rows")
    command = [sys.executable, "-m", "experiments.habits", str(given.out)]
    command += ["--steps", str(given.steps), "--until", str(until)]
    workers = [subprocess.Popen(command) for _ in range(given.processes)]
    failed = [worker.wait() for worker in workers]
    print(f"exit codes {failed}")


if __name__ == "__main__":
    main()
