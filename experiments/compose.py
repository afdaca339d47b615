"""Two runs that were trained apart, composed without training: `python -m experiments.compose`.

One run learns pictures, questions about them in writing and names, over a base model that has the
encoders of pictures alone; the other speech, single words and spoken questions about a description
in writing, over one that has the encoder of speech alone. They are composed on the embedded model,
which contains both. `spoken_question`, a spoken question about a picture, is a task of neither.
Scored are the runs, with what of each sample their base models read, their compositions, and two
merges of factors as controls, on all five tasks. A second call goes on where the first was stopped.
The result is benchmarks/results/compose-cpu.json.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import coterie
from benchmarks.provenance import provenance
from coterie.io import write, write_json
from coterie.recipe import Recipe
from coterie.recipes import damc, shared_lora
from coterie.task_file import read_tasks
from coterie.tasks import TextTask, TextTasks
from coterie.train import Run
from coterie_demo.locations import find_omni_model, find_pantry
from coterie_demo.showcase import BATCH_SIZE, LEARNING_RATE, PANTRY, TARGET_MODULES
from experiments.grow import make_base

RESULT = Path(__file__).parents[1] / "benchmarks" / "results" / "compose-cpu.json"
PICTURES, SPEECH = "pictures", "speech"
MODALITIES = {PICTURES: "image", SPEECH: "audio"}
OWN = {PICTURES: ("asked", "naming"), SPEECH: ("told", "spoken")}
"""What each run learns."""
UNSEEN = "spoken_question"
SPLITS = ("train", "validation", "test")
RANK = 32
TRAINING_ROWS = {"asked": 480, "naming": 320, "told": 480, "spoken": 320}
STEPS = 96
LIMIT = 100
VALIDATION_LIMIT = 16
SINGLE = {PICTURES: (1.0, 0.0), SPEECH: (0.0, 1.0)}
COMPOSED: dict[str, dict[str, Any]] = {
    "1 and 1": {"weights": (1.0, 1.0)},
    "even": {},
    "even, media as text": {"media": "text"},
    "mean of factors": {"text": "mean"},
    "TIES on factors": {"text": "ties"},
}
BEST = "1 and 1"
"""The composition that is also scored without pictures and recordings."""
MEASURE = """
import re, sys, time
import coterie, coterie.compose

def peak():  # getrusage has that of the process before exec
    return re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]

before, start, processor = peak(), time.monotonic(), time.process_time()
tasks = coterie.Run.read(sys.argv[3]).config.tasks
coterie.compose(sys.argv[3:], out=sys.argv[1], base=sys.argv[2] or None, tasks=tasks)
print(time.monotonic() - start, time.process_time() - processor, before, peak())
"""


def write_rows(folder: Path) -> dict[str, TextTask]:
    """Write the rows of all tasks, few for training; return the tasks.

    The rows of `spoken_question` become tasks of one modality: its pictures with written questions,
    and its recordings with a description of the picture.
    """
    known = {task.name: task for task in read_tasks(PANTRY).tasks}
    made = {}
    for name in (*TRAINING_ROWS, UNSEEN):
        source = UNSEEN if name in HALVES else name
        rows = {split: str(folder / name / f"{split}.jsonl") for split in SPLITS}
        for split, file in rows.items():
            lines = read_lines(find_pantry().parent / source / f"{split}.jsonl")
            half = HALVES[name](lines) if name in HALVES else lines
            count = TRAINING_ROWS.get(name) if split == "train" else None
            write_lines(Path(file), half[:count])
        made[name] = replace(known[source], name=name, rows=rows, max_new_tokens=12)
    return made


def read_lines(file: Path) -> list[dict[str, Any]]:
    """Read rows, with absolute paths of their media."""
    rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    for row in rows:
        for name in ("image", "audio"):
            if name in row:
                row[name] = str((file.parent / row[name]).resolve())
    return rows


def write_lines(file: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows, unless the file has them."""
    text = "".join(f"{json.dumps(row)}\n" for row in rows)
    if not file.is_file() or file.read_text("utf-8") != text:
        write(file, text)


def write_read_rows(folder: Path, tasks: Sequence[TextTask], modality: str) -> TextTasks:
    """Write the test rows without media of other modalities; return the tasks with them."""
    found = []
    for task in tasks:
        file = folder / task.name / "test.jsonl"
        rows = read_lines(Path(task.rows["test"]))
        others = set(MODALITIES.values()) - {modality}
        write_lines(file, [{k: row[k] for k in row if k not in others} for row in rows])
        found.append(replace(task, rows={**task.rows, "test": str(file)}))
    return TextTasks(tasks=tuple(found))


def write_questions(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the pictures, with the questions in writing."""
    return [
        {"image": row["image"], "question": row["said"], "answer": row["answer"]} for row in rows
    ]


def describe_pictures(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the recordings, with the answers to all questions on the picture in writing."""
    known: dict[str, dict[str, str]] = {}
    for row in rows:
        first = row["answer"] if isinstance(row["answer"], str) else row["answer"][0]
        known.setdefault(row["image"], {})[first] = row["said"]
    return [
        {
            "audio": row["audio"], "answer": row["answer"],
            "question": f"{', '.join(sorted(known[row['image']]))}. Answer the spoken question.",
        }
        for row in rows
    ]  # fmt: skip


HALVES = {"asked": write_questions, "told": describe_pictures}


def make_recipes() -> dict[str, Recipe]:
    given: dict[str, Any] = {
        "rank": RANK, "alpha": 2.0 * RANK, "dropout": 0.0, "at": TARGET_MODULES,
        "learning_rate": LEARNING_RATE,
    }  # fmt: skip
    return {"one LoRA": shared_lora(**given), "damc": damc(**given)}


def train(out: Path, tasks: Mapping[str, TextTask], recipe: str, name: str, seed: int) -> Run:
    """Train one of the two runs, over a base model that reads its modality alone."""
    return coterie.train(
        make_recipes()[recipe], base=make_base(out / f"base-{name}", MODALITIES[name]),
        tasks=TextTasks(tasks=tuple(tasks[task] for task in OWN[name])), steps=STEPS,
        out=out / f"{recipe}-{name}-{seed}", batch_size=BATCH_SIZE, seed=seed, device="cpu",
        validation_limit=VALIDATION_LIMIT, resume=True, precision="bfloat16",
    )  # fmt: skip


def compose(parents: Sequence[Run], out: Path, **given: Any) -> Run:
    """Compose two runs on the embedded model, unless that is done."""
    if (out / "adapter").is_dir():
        return Run.read(out)
    return coterie.compose(parents, out=out, base=find_omni_model(), **given)


def evaluate(run: Run, *, blind: bool = False) -> None:
    """Score a run, unless it is scored."""
    if not run.directory.scores_file("blind" if blind else "").is_file():
        coterie.evaluate(run, limit=LIMIT, blind=blind, device="cpu")


def run_seed(out: Path, seed: int, recipe: str, kinds: Sequence[str]) -> dict[str, Run]:
    """Train both runs, compose them, and score all; return them by name."""
    tasks = write_rows(out / "rows")
    parents = [train(out, tasks, recipe, name, seed) for name in OWN]
    everything = tuple(tasks[name] for names in OWN.values() for name in names)
    everything += (tasks[UNSEEN],)
    folder = out / f"{recipe}-composed-{seed}"
    # With weights of 1 and 0 for all tokens, and what its base model reads, it is that run.
    systems = {
        name: compose(
            parents, folder / name, weights=weights, media="text",
            tasks=write_read_rows(out / f"rows-{name}", everything, MODALITIES[name]),
        )
        for name, weights in SINGLE.items()
    }  # fmt: skip
    for name in kinds:
        systems[name] = compose(
            parents, folder / name, tasks=TextTasks(tasks=everything), **COMPOSED[name]
        )
    for run in systems.values():
        evaluate(run)
    evaluate(systems[BEST], blind=True)
    return systems


def measure_cost(out: Path, parents: Sequence[Path], base: str) -> dict[str, Any]:
    """Compose in a new process, and return its time and memory."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(out), base, *map(str, parents)], capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    wall, processor, before, after = map(float, done.stdout.split()[-4:])
    return {
        "time_s": wall, "processor_time_s": processor, "peak_gib": after / 2**20,
        "peak_before_gib": before / 2**20,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/compose"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--recipe", default="one LoRA", choices=list(make_recipes()))
    parser.add_argument("--kinds", nargs="+", default=list(COMPOSED), help="of compositions")
    given = parser.parse_args()
    torch.set_num_threads(1)
    out = given.out.absolute()
    kinds = tuple(dict.fromkeys((BEST, *given.kinds)))
    found: dict[str, list[Run]] = {}
    for seed in given.seeds:
        for name, run in run_seed(out, seed, given.recipe, kinds).items():
            found.setdefault(name, []).append(run)
        # The differences are those to the composition that is scored blind, too.
        table = coterie.compare(found, baseline=found[BEST], controls=("blind",))
        print(table.to_markdown(), flush=True)
        write_json(
            RESULT,
            provenance(torch.device("cpu"))
            | {
                "recipe": given.recipe, "steps": STEPS, "batch_size": BATCH_SIZE, "rank": RANK,
                "limit": LIMIT, "training_rows": TRAINING_ROWS, "own": OWN, "unseen": UNSEEN,
                "seeds": given.seeds[: len(found[BEST])], "table": table.dump(),
            },
        )  # fmt: skip
    folders = [out / f"{given.recipe}-{name}-{given.seeds[0]}" for name in OWN]
    same = [found[name][0].folder for name in SINGLE]  # on one base model
    costs = {
        "bases of their own": measure_cost(out / "cost-own", folders, str(find_omni_model())),
        "one base": measure_cost(out / "cost-one", same, ""),
    }
    write_json(RESULT, json.loads(RESULT.read_text("utf-8")) | {"cost": costs})


if __name__ == "__main__":
    main()
