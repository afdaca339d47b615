"""Two runs that were trained apart, composed without training: `python -m experiments.compose`.

One run learns pictures with written questions and names of drawings; the other speech: single
words, and to write down what is asked, or to answer it about a description in writing.
`spoken_question`, a spoken question about a picture, is of neither. Scored are the parents, their
compositions and the controls, each as a run with all five tasks, so that all read the same samples.
A second call goes on where the first was stopped. The result, of which a call replaces what it
measured, is benchmarks/results/compose-cpu.json.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
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
PICTURES, SPEECH = "pictures", "speech"
SPEECH_TASKS = {"transcribe": ("heard", "spoken"), "answer": ("told", "spoken")}
"""What the run on speech learns: to write down what is asked, or to answer about a description."""
UNSEEN = "spoken_question"
SPLITS = ("train", "validation", "test")
RANK = 32
TRAINING_ROWS = {"asked": 240, "naming": 160, "heard": 240, "told": 240, "spoken": 160}
"""Few, so that what is frozen runs once for each."""
STEPS = 64
LIMIT = 50
VALIDATION_LIMIT = 16
SINGLE = {PICTURES: (1.0, 0.0), SPEECH: (0.0, 1.0)}
SEARCHED = "searched"
COMPOSED: dict[str, dict[str, Any]] = {
    "even": {},
    "1 and 1": {"weights": (1.0, 1.0)},
    "even, media as text": {"media": "text"},
    "mean of factors": {"text": "mean"},
    "TIES on factors": {"text": "ties"},
}
MEASURE = """
import re, sys, time
import coterie, coterie.compose

def peak():  # getrusage has that of the process before exec
    return re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]

before, start, processor = peak(), time.monotonic(), time.process_time()
coterie.compose(sys.argv[2:], out=sys.argv[1])
print(time.monotonic() - start, time.process_time() - processor, before, peak())
"""


def write_rows(folder: Path) -> dict[str, TextTask]:
    """Write the parents' rows, few for training; return their tasks, and the unseen one.

    The rows of `spoken_question` become tasks of one modality: its pictures with written questions,
    and its recordings without the pictures.
    """
    known = {task.name: task for task in read_tasks(PANTRY).tasks}
    made = {}
    for name, count in TRAINING_ROWS.items():
        source = UNSEEN if name in HALVES else name
        rows = {split: str(folder / name / f"{split}.jsonl") for split in SPLITS}
        for split, file in rows.items():
            lines = read_lines(find_pantry().parent / source / f"{split}.jsonl")
            half = HALVES[name](lines) if name in HALVES else lines
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


def write_questions(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the pictures, with the questions in writing."""
    return [
        {"image": row["image"], "question": row["said"], "answer": row["answer"]} for row in rows
    ]


def transcribe(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the recordings, with what is said as the answer."""
    return [
        {"audio": row["audio"], "question": "What is said?", "answer": row["said"]} for row in rows
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


HALVES = {"asked": write_questions, "heard": transcribe, "told": describe_pictures}


def make_recipes() -> dict[str, Recipe]:
    given: dict[str, Any] = {
        "rank": RANK, "alpha": 2.0 * RANK, "dropout": 0.0, "at": TARGET_MODULES,
        "learning_rate": LEARNING_RATE,
    }  # fmt: skip
    return {"one LoRA": shared_lora(**given), "damc": damc(**given)}


def train(out: Path, tasks: Sequence[TextTask], recipe: str, name: str, seed: int) -> Run:
    return coterie.train(
        make_recipes()[recipe], base=EMBEDDED, out=out / f"{recipe}-{name}-{seed}", device="cpu",
        tasks=TextTasks(tasks=tuple(tasks)), steps=STEPS,
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


def count_numbers(run: Run) -> dict[str, int]:
    """Count the unseen questions for a number, and those that a number was the answer to."""
    rows = run.directory.try_read_predictions("test", UNSEEN)
    asked = [row for row in rows if "".join(row["answers"]).isdigit()]
    return {"asked": len(asked), "answered": sum(row["prediction"].isdigit() for row in asked)}


def run_seed(
    out: Path, seed: int, recipe: str, speech: str, kinds: Sequence[str]
) -> dict[str, Any]:
    """Train the parents, compose them, and score all on the parents' tasks and the unseen one."""
    tasks = write_rows(out / "rows")
    own = {PICTURES: ("asked", "naming"), SPEECH: SPEECH_TASKS[speech]}
    parents = [
        train(out, [tasks[task] for task in own[PICTURES]], recipe, PICTURES, seed),
        train(out, [tasks[task] for task in own[SPEECH]], recipe, f"{SPEECH}-{speech}", seed),
    ]
    names = (*own[PICTURES], *own[SPEECH], UNSEEN)
    everything = TextTasks(tasks=tuple(tasks[name] for name in names))
    folder = out / f"{recipe}-{speech}-composed-{seed}"
    # One run with weight 1 for all tokens is that run, with the tasks of all.
    systems = {
        name: compose(parents, folder / name, weights=weights, tasks=everything, media="text")
        for name, weights in SINGLE.items()
    }
    curve: list[dict[str, Any]] = []
    for name in kinds:
        given = COMPOSED.get(name, {})
        if name == SEARCHED:
            run = compose(parents, folder / "search", weights="search", device="cpu")
            record = json.loads(run.directory.composition_file.read_text("utf-8"))
            given, curve = (
                {"weights": [each["weight"] for each in record["runs"]]},
                record["search"],
            )
        systems[name] = compose(parents, folder / name, tasks=everything, **given)
    scores = {name: score(run) for name, run in systems.items()}
    blind = score(systems[kinds[0]], blind=True)
    table = coterie.compare(
        {name: [run] for name, run in systems.items()}, baseline=systems[PICTURES], controls=False
    )
    print(table.to_markdown(), flush=True)
    return {
        "own": own, "numbers": {name: count_numbers(run) for name, run in systems.items()},
        "scores": scores, "blind": blind, "curve": curve, "table": table.dump(),
        "cost": measure_cost(folder / "cost", parents),
    }  # fmt: skip


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
    parser.add_argument("--recipe", default="one LoRA", choices=list(make_recipes()))
    parser.add_argument("--speech", nargs="+", default=list(SPEECH_TASKS), choices=SPEECH_TASKS)
    parser.add_argument("--kinds", nargs="+", default=[*COMPOSED, SEARCHED], help="of compositions")
    given = parser.parse_args()
    torch.set_num_threads(1)
    out = given.out.absolute()
    found = {
        speech: [
            run_seed(out, seed, given.recipe, speech, given.kinds) for seed in range(given.seeds)
        ]
        for speech in given.speech
    }
    before = json.loads(RESULT.read_text("utf-8"))["speech"] if RESULT.is_file() else {}
    facts = provenance(torch.device("cpu")) | {
        "recipe": given.recipe, "steps": STEPS,
        "batch_size": BATCH_SIZE, "rank": RANK, "limit": LIMIT, "training_rows": TRAINING_ROWS,
        "validation_limit": VALIDATION_LIMIT, "speech": before | found,
    }  # fmt: skip
    write_json(RESULT, facts)


if __name__ == "__main__":
    main()
