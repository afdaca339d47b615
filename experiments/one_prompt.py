"""Six tasks with one prompt, three seeds: `python -m experiments.one_prompt`, 20 minutes.

The demo's systems on two tasks more: pairs of tasks share their drawings, photos of food, or
recordings, and nothing in the input says which answer is meant. A second call goes on where the
first was stopped. The result is benchmarks/results/one-prompt-cpu.json.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

import coterie
from benchmarks.provenance import provenance
from coterie.study.systems import ALONE
from coterie.task_file import read_tasks
from coterie.tasks import TextTasks
from coterie.train import train_from_config
from coterie_demo.showcase import PANTRY, PROMPT, Showcase
from experiments.parts import in_parts

RESULT = Path(__file__).parents[1] / "benchmarks" / "results" / "one-prompt-cpu.json"
TASKS = ("naming", "group", "food_group", "energy", "spoken", "spoken_initial")
SEEDS = (0, 1, 2)
STEPS = 48
LIMIT = 50


def train_and_score(out: Path, part: int, parts: int) -> None:
    """Do this process's share of the runs of the demo's study, with these seeds."""
    found = read_tasks(PANTRY)
    tasks = [replace(found.get_text_task(name), prompt=PROMPT) for name in TASKS]
    plan = Showcase(out=str(out), steps=STEPS).plan(TextTasks(tasks=tuple(tasks))).plan
    for planned in replace(plan, seeds=SEEDS).runs[part::parts]:
        run = train_from_config(planned.config, out=planned.folder, resume=True)
        coterie.evaluate(run, limit=LIMIT)


def find_runs(out: Path, system: str) -> Iterator[coterie.Run]:
    for seed in SEEDS:
        suffix = f"-seed{seed}" if seed else ""
        names = [f"{system}-{task}" for task in TASKS] if system == ALONE else [system]
        yield from (coterie.Run.read(out / f"{name}{suffix}") for name in names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/one-prompt"))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--part", type=int, help="be one of the processes")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.part is not None:
        train_and_score(given.out, given.part, given.processes)
        return
    facts = provenance(torch.device("cpu"))
    in_parts("experiments.one_prompt", given.out, given.processes)
    groups = {name: list(find_runs(given.out, name)) for name in (ALONE, "shared_lora", "moelora")}
    table = coterie.compare(groups, baseline=groups[ALONE])
    facts |= {
        "tasks": TASKS, "prompt": PROMPT, "seeds": SEEDS, "steps": STEPS, "limit": LIMIT,
        "batch_size": groups["moelora"][0].config.batch_size, "table": table.dump(),
    }  # fmt: skip
    RESULT.write_text(json.dumps(facts, indent=1) + "\n")
    print(table.to_markdown())


if __name__ == "__main__":
    main()
