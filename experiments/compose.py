"""Two runs that were trained apart, composed without training: `python -m experiments.compose`.

One run learns pictures with written questions and names of drawings, the other speech: what is
asked, and single words. `spoken_question`, a spoken question about a picture, is of neither. Scored
are the parents, their compositions and the controls, each as a run with all five tasks, so that all
read the same samples. A second call goes on where the first was stopped. The result is
benchmarks/results/compose-cpu.json.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import coterie
from benchmarks.provenance import provenance
from coterie.evaluate.scores import Scores
from coterie.io import write, write_json
from coterie.recipe import Recipe
from coterie.recipes import damc, shared_lora
from coterie.task_file import read_tasks
from coterie.tasks import TextTask, TextTasks
from coterie.train import Run
from coterie_demo.locations import find_pantry
from coterie_demo.showcase import BATCH_SIZE, EMBEDDED, LEARNING_RATE, PANTRY, TARGET_MODULES

RESULT = Path(__file__).parents[1] / "benchmarks" / "results" / "compose-cpu.json"
PARENTS = {"pictures": ("asked", "naming"), "speech": ("heard", "spoken")}
UNSEEN = "spoken_question"
SPLITS = ("train", "validation", "test")
RANK = 32
TRAINING_ROWS = {"asked": 240, "naming": 160, "heard": 240, "spoken": 160}
"""Few, so that what is frozen runs once for each."""
STEPS = 64
LIMIT = 50
VALIDATION_LIMIT = 16
SINGLE = {"pictures": (1.0, 0.0), "speech": (0.0, 1.0)}
COMPOSED: dict[str, dict[str, Any]] = {
    "even": {},
    "even, media as text": {"media": "text"},
    "mean of factors": {"text": "mean"},
    "TIES on factors": {"text": "ties"},
}
MEASURE = """
import resource, sys, time
import coterie, coterie.compose
start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
processor = time.process_time()
coterie.compose(sys.argv[2:], out=sys.argv[1])
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(time.monotonic() - start, time.process_time() - processor, before, after)
"""


def write_rows(folder: Path) -> dict[str, TextTask]:
    """Write the parents' rows, few for training; return their tasks, and the unseen one.

    The rows of `spoken_question` become two tasks: its pictures with written questions, and what is
    asked in its recordings.
    """
    known = {task.name: task for task in read_tasks(PANTRY).tasks}
    made = {}
    for name, count in TRAINING_ROWS.items():
        source = UNSEEN if name in HALVES else name
        rows = {split: str(folder / name / f"{split}.jsonl") for split in SPLITS}
        for split, file in rows.items():
            lines = read_lines(find_pantry().parent / source / f"{split}.jsonl")
            half = [HALVES.get(name, dict)(row) for row in lines]
            kept = half[:count] if split == "train" else half
            text = "".join(f"{json.dumps(row)}\n" for row in kept)
            if not Path(file).is_file() or Path(file).read_text("utf-8") != text:
                write(Path(file), text)
        made[name] = replace(known[source], name=name, rows=rows, max_new_tokens=12)
    return made | {UNSEEN: known[UNSEEN]}


def read_lines(file: Path) -> list[dict[str, Any]]:
    """Read rows, with absolute paths of their media."""
    rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    for row in rows:
        for name in ("image", "audio"):
            if name in row:
                row[name] = str((file.parent / row[name]).resolve())
    return rows


HALVES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "asked": lambda row: {
        "image": row["image"], "question": row["said"], "answer": row["answer"]
    },
    "heard": lambda row: {
        "audio": row["audio"], "question": "What is said?", "answer": row["said"]
    },
}  # fmt: skip


def make_recipes() -> dict[str, Recipe]:
    given: dict[str, Any] = {
        "rank": RANK, "alpha": 2.0 * RANK, "dropout": 0.0, "at": TARGET_MODULES,
        "learning_rate": LEARNING_RATE,
    }  # fmt: skip
    return {"one LoRA": shared_lora(**given), "damc": damc(**given)}


def train(out: Path, tasks: dict[str, TextTask], recipe: str, parent: str, seed: int) -> Run:
    return coterie.train(
        make_recipes()[recipe], base=EMBEDDED, out=out / f"{recipe}-{parent}-{seed}", device="cpu",
        tasks=TextTasks(tasks=tuple(tasks[name] for name in PARENTS[parent])), steps=STEPS,
        batch_size=BATCH_SIZE, seed=seed, validation_limit=VALIDATION_LIMIT, resume=True,
        precision="float32",
    )  # fmt: skip


def compose(parents: list[Run], out: Path, **given: Any) -> Run:
    return Run.read(out) if (out / "adapter").is_dir() else coterie.compose(
        parents, out=out, **given
    )  # fmt: skip


def score(run: Run, *, blind: bool = False) -> dict[str, Any]:
    scores: Scores = coterie.evaluate(run, limit=LIMIT, blind=blind, device="cpu")
    return {
        name: {"score": each.score, "low": each.low, "high": each.high, "samples": each.samples}
        for name, each in scores.tasks.items()
    }


def run_seed(out: Path, seed: int, recipes: Sequence[str]) -> dict[str, Any]:
    tasks = write_rows(out / "rows")
    everything = TextTasks(tasks=tuple(tasks.values()))
    found: dict[str, Any] = {}
    for recipe in recipes:
        parents = [train(out, tasks, recipe, parent, seed) for parent in PARENTS]
        folder = out / f"{recipe}-composed-{seed}"
        # One run with weight 1 for all tokens is that run, with the tasks of all.
        systems = {
            name: compose(parents, folder / name, weights=weights, tasks=everything, media="text")
            for name, weights in SINGLE.items()
        }
        kinds = COMPOSED if recipe == "one LoRA" else {"even": {}}
        for name, given in kinds.items():
            systems[name] = compose(parents, folder / name, tasks=everything, **given)
        curve: list[Any] = []
        if recipe == "one LoRA":
            searched = compose(parents, folder / "search", weights="search", device="cpu")
            record = json.loads(searched.directory.composition_file.read_text("utf-8"))
            weights, curve = [each["weight"] for each in record["runs"]], record["search"]
            systems["searched"] = compose(
                parents, folder / "searched", weights=weights, tasks=everything
            )
            found["cost"] = measure_cost(out / f"cost-{seed}", parents)
        scores = {name: score(run) for name, run in systems.items()}
        blind = score(systems["even"], blind=True)
        table = coterie.compare(
            {name: [run] for name, run in systems.items()}, baseline=systems["even"], controls=False
        )
        found[recipe] = {
            "scores": scores, "blind": blind, "curve": curve, "table": table.dump()
        }  # fmt: skip
        print(table.to_markdown(), flush=True)
    return found


def measure_cost(out: Path, parents: list[Run]) -> dict[str, Any]:
    """Compose in a new process, and return its time and memory."""
    folders = [str(parent.folder) for parent in parents]
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(out), *folders], capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    wall, processor, before, after = map(float, done.stdout.split()[-4:])
    return {
        "time_s": wall, "processor_time_s": processor, "peak_gib": after / 2**20,
        "peak_before_gib": before / 2**20,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/compose"))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--recipes", nargs="+", default=["one LoRA"], choices=list(make_recipes()))
    given = parser.parse_args()
    torch.set_num_threads(1)
    found = {
        str(seed): run_seed(given.out.absolute(), seed, given.recipes)
        for seed in range(given.seeds)
    }
    facts = provenance(torch.device("cpu")) | {
        "parents": {name: list(tasks) for name, tasks in PARENTS.items()}, "steps": STEPS,
        "batch_size": BATCH_SIZE, "rank": RANK, "limit": LIMIT, "training_rows": TRAINING_ROWS,
        "validation_limit": VALIDATION_LIMIT, "seeds": found,
    }  # fmt: skip
    write_json(RESULT, facts)


if __name__ == "__main__":
    main()
