"""`Decouple` and `Predictive` on a real model: `python -m experiments.losses`, three seeds.

A mixture of four LoRAs whose gate reads tokens, in the last third of the embedded model, learns two
tasks on few rows, so that what is frozen runs once for each: names of drawings, and words that are
said. Compared are no routing loss, and each of the two. Measured, on rows that are not in training:
the language model's loss, the scores, and both routing losses' own values, the mean over layers. A
second call goes on where the first was stopped. The result is benchmarks/results/losses-cpu.json.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import coterie
from benchmarks.provenance import provenance
from coterie import Decouple, Predictive, Recipe, Run, recipes
from coterie.io import write
from coterie.losses.base import RoutingLoss
from coterie.task_file import read_tasks
from coterie.tasks import TextTasks
from coterie.tasks.losses import sum_by_task
from coterie.tasks.text.generation import prepare_inputs
from coterie.train.frozen_caches import cache_encoder_features
from coterie_demo.locations import find_pantry
from coterie_demo.showcase import EMBEDDED, LEARNING_RATE, PANTRY, TARGET_MODULES
from experiments.compose import read_lines

RESULT = Path(__file__).parents[1] / "benchmarks" / "results" / "losses-cpu.json"
TASKS = ("naming", "spoken")
TRAINING_ROWS = 64
LOSSES: dict[str, tuple[RoutingLoss, ...]] = {
    "none": (), "Decouple": (Decouple(weight=1e-3),), "Predictive": (Predictive(weight=1e-2),),
}  # fmt: skip
"""Name -> what is added to the tasks' losses. Weights are for the sum over 70 layers."""
OPTIONS: dict[str, Any] = {
    "steps": 48, "batch_size": 8, "learning_rate": LEARNING_RATE, "precision": "bfloat16",
}  # fmt: skip
LIMIT = 30
"""Test rows of a task that are answered."""
MEASURED_ROWS, BATCH_ROWS = 60, 15
"""Test rows of a task whose losses are computed, and those in a batch: the negatives of
`Predictive` are the rest of it."""
MEASURED = (Decouple(weight=1.0), Predictive(weight=1.0))
SEEDS = (0, 1, 2)


def write_tasks(folder: Path) -> TextTasks:
    """Write the first training rows of each task; return the tasks with them."""
    known, found = read_tasks(PANTRY), []
    for task in map(known.get_text_task, TASKS):
        source, own = find_pantry().parent / task.name, folder / task.name
        for split, count in (("train", TRAINING_ROWS), ("test", None)):
            lines = read_lines(source / f"{split}.jsonl")[:count]
            write(own / f"{split}.jsonl", "".join(f"{json.dumps(line)}\n" for line in lines))
        rows = {split: str(own / f"{split}.jsonl") for split in ("train", "test")}
        found.append(replace(task, rows=rows))
    return TextTasks(tasks=tuple(found))


def make_recipe(losses: tuple[RoutingLoss, ...]) -> Recipe:
    recipe = recipes.soft_lora(experts=4, rank=4, alpha=8.0, at=TARGET_MODULES)
    return replace(recipe, losses=losses)


def measure(run: Run) -> dict[str, float]:
    """Return means over test rows: of the tasks' loss, and of each routing loss by layer."""
    loaded = run.load(device="cpu")
    model: Any = loaded.model
    cache_encoder_features(model, loaded.processor)
    collate = run.config.make_collator(loaded.processor)
    tasks, count = run.config.tasks, len(run.task_names)
    rows = tasks.load_datasets("test")
    sums, read = torch.zeros(2, count), []
    for start in range(0, MEASURED_ROWS, BATCH_ROWS):
        places = range(start, start + BATCH_ROWS)
        batch = prepare_inputs(collate([own[i] for own in rows for i in places]), model)
        with torch.no_grad(), coterie.observe(model, features=True) as tape:
            losses = tasks.compute_losses(model, model.get_base_model(), batch)
        found = sum_by_task(losses, count)
        sums += torch.stack([found.sums, found.counts])
        read.append([kind(tape).item() / len(tape) for kind in MEASURED])
    names = [type(kind).__name__ for kind in MEASURED]
    means = torch.tensor(read).mean(0).tolist()
    return {"loss": (sums[0] / sums[1]).mean().item(), **dict(zip(names, means, strict=True))}


def run_seed(out: Path, tasks: TextTasks, name: str, seed: int) -> dict[str, Any]:
    """Train and measure one run, or read what was measured."""
    folder = out / name / f"seed{seed}"
    file = folder / "measured.json"
    if not file.is_file():
        run = coterie.train(
            make_recipe(LOSSES[name]), base=EMBEDDED, tasks=tasks, out=folder, seed=seed,
            resume=True, **OPTIONS,
        )  # fmt: skip
        write(file, json.dumps(measure(run)))
        print(f"{name}, seed {seed}: {file.read_text('utf-8')}", flush=True)
    return json.loads(file.read_text("utf-8"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/losses"))
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    tasks = write_tasks(given.out / "rows")
    # All systems of a seed before the next seed: what is there when it is stopped compares.
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in LOSSES}
    for seed in given.seeds:
        for name in LOSSES:
            found[name].append({"seed": seed} | run_seed(given.out, tasks, name, seed))
        write_result(found)
    runs = {name: [given.out / name / f"seed{seed}" for seed in given.seeds] for name in LOSSES}
    for seed in range(len(given.seeds)):
        for group in runs.values():
            coterie.evaluate(group[seed], limit=LIMIT)
    baseline = runs.pop("none")
    table = coterie.compare(runs, baseline=baseline)
    write_result(found, table=table.dump())
    print(table.to_markdown())


def write_result(found: dict[str, list[dict[str, Any]]], **more: Any) -> None:
    """Write what was measured, of the seeds so far."""
    facts = provenance(torch.device("cpu")) | {
        "tasks": TASKS, "training_rows": TRAINING_ROWS, "measured_rows": MEASURED_ROWS,
        "limit": LIMIT, **OPTIONS,
        "losses": {name: [repr(each) for each in kinds] for name, kinds in LOSSES.items()},
        "measured": found, **more,
    }  # fmt: skip
    RESULT.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
