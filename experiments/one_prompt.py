"""Six tasks with one prompt, three seeds: `python -m experiments.one_prompt OUT`, half an hour.

The demo's study with two tasks more: pairs of tasks share their drawings, photos of food, or
recordings, and nothing in the input says which answer is meant. A second call goes on where the
first was stopped. The result is benchmarks/results/one-prompt-cpu.json.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.provenance import provenance
from coterie.task_file import read_tasks
from coterie.tasks import TextTasks
from coterie_demo.showcase import PANTRY, PROMPT, Showcase

RESULT = Path(__file__).parents[1] / "benchmarks" / "results" / "one-prompt-cpu.json"
TASKS = ("naming", "group", "food_group", "energy", "spoken", "spoken_initial")
SEEDS = (0, 1, 2)
STEPS = 72


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    found = read_tasks(PANTRY)
    tasks = [replace(found.get_text_task(name), prompt=PROMPT) for name in TASKS]
    show = Showcase(out=str(given.out), steps=STEPS)
    demo = show.plan(TextTasks(tasks=tuple(tasks)))
    result = replace(demo, plan=replace(demo.plan, seeds=SEEDS), command=None).run()
    conflict = {
        name: json.loads((given.out / folder / "conflict.json").read_text())
        for name, folder in (
            ("before", "."), ("shared_lora", "shared_lora"), ("moelora", "moelora"),
        )
    }  # fmt: skip
    facts = provenance(torch.device("cpu")) | {
        "tasks": TASKS, "prompt": PROMPT, "seeds": SEEDS, "steps": STEPS,
        "batch_size": demo.plan.batch_size, "limit": demo.limit,
        "table": result.table.dump(), "conflict": conflict,
    }  # fmt: skip
    RESULT.write_text(json.dumps(facts, indent=1) + "\n")
    print(result.table.to_markdown())


if __name__ == "__main__":
    main()
