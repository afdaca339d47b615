"""Five tasks, one after another: `python -m experiments.sequence --seeds 0 1 2`.

Each of five tasks on drawings, speech and photos is a step of its own, with as many samples. Four
ways to learn them, all with LoRAs of one rank at the same layers of the embedded model: one LoRA
that goes on from step to step (sequential fine-tuning), the same with a quarter of the samples from
older tasks (replay), a LoRA for each task (separate), and `coterie.add_tasks` (grown: PathWeave,
and it without the noise on its gate's logits, and without the gate).
A second call goes on where the first was stopped. The result is
benchmarks/results/sequence-cpu.json, and a report with the step x task matrices beside the runs.
"""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

import coterie
from benchmarks.provenance import provenance
from coterie import Run, recipes
from coterie.tasks import TaskSet
from coterie.tuner.config import WEIGHTS
from coterie_demo.showcase import EMBEDDED, LEARNING_RATE, PANTRY, TARGET_MODULES

RESULT = Path(__file__).parents[1] / "benchmarks" / "results" / "sequence-cpu.json"
ORDER = ("group", "spoken", "food_group", "spoken_initial", "naming")
GROUPS = [(name,) for name in ORDER]
RANK = 16
REPLAY = 0.25
OPTIONS: dict[str, Any] = {
    "steps": 24, "batch_size": 8, "learning_rate": LEARNING_RATE, "precision": "bfloat16",
    "resume": True,
}  # fmt: skip
LIMIT = 30
ADAPTER = {"rank": RANK, "alpha": 2.0 * RANK, "at": TARGET_MODULES}
BASELINE = "sequential"

Train = Callable[[Path, int], list[Run]]


def read_order() -> TaskSet:
    return coterie.read_tasks(PANTRY).select(ORDER)


def train_control(out: Path, seed: int, **choices: Any) -> list[Run]:
    """Train one LoRA after another, or one that goes on; return a run for each step."""
    return coterie.train_sequence(
        recipes.shared_lora(**ADAPTER), base=EMBEDDED, tasks=read_order(),
        groups=GROUPS, out=out, seed=seed, **choices, **OPTIONS,
    )  # fmt: skip


def train_grown(out: Path, seed: int, *, gated: bool = True, noisy: bool = True) -> list[Run]:
    """Train the first task, and add the others one by one."""
    woven = recipes.pathweave(gated=gated, noisy=noisy, **ADAPTER)
    tasks, options = read_order(), {**OPTIONS, "seed": seed}
    first = recipes.shared_lora(**ADAPTER)
    runs = [
        coterie.train(
            first, base=EMBEDDED, tasks=tasks.select(GROUPS[0]), out=out / "step-1", **options
        )
    ]
    for number, names in enumerate(GROUPS[1:], 2):
        grown = coterie.add_tasks(
            runs[-1], tasks=tasks.select(names), out=out / f"step-{number}",
            recipe=woven, **options,
        )  # fmt: skip
        runs.append(grown)
    return runs


def train_replay(out: Path, seed: int) -> list[Run]:
    return train_control(out, seed, replay=REPLAY)


def train_separate(out: Path, seed: int) -> list[Run]:
    return train_control(out, seed, start="base")


SYSTEMS: Mapping[str, Train] = {
    BASELINE: train_control, "replay": train_replay, "separate": train_separate,
    "grown": train_grown, "grown, no noise": partial(train_grown, noisy=False),
    "grown, no gate": partial(train_grown, gated=False),
}  # fmt: skip
"""Name -> what trains its steps; the baseline is always among those that are asked for."""


def count_saved_parameters(runs: Sequence[Run]) -> list[int]:
    """Count the parameters in each step's adapter file, old ones included."""
    files = (run.directory.adapter_folder / WEIGHTS for run in runs)
    return [sum(each.numel() for each in load_file(file).values()) for file in files]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/sequence"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS), choices=SYSTEMS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    names = tuple(dict.fromkeys((BASELINE, *given.systems)))
    for seed in given.seeds:
        saved = {name: run_system(given.out, name, seed) for name in names}
        write_result(given.out, saved)


def run_system(out: Path, name: str, seed: int) -> list[int]:
    """Train and evaluate a system's steps; return their numbers of saved parameters."""
    runs = SYSTEMS[name](out / name / f"seed{seed}", seed)
    for run in runs:
        evaluate(run)
    if name == BASELINE:
        evaluate(runs[0], untrained=True)
    print(f"seed {seed}: {name} is trained and evaluated", flush=True)
    return count_saved_parameters(runs)


def evaluate(run: Run, *, untrained: bool = False) -> None:
    """Score a run on its tasks' test rows, unless it is."""
    if not run.directory.scores_file("untrained" if untrained else "").is_file():
        coterie.evaluate(run, limit=LIMIT, untrained=untrained)


def write_result(out: Path, saved: Mapping[str, Sequence[int]]) -> None:
    """Measure what each system forgets, of all seeds in `out`; `saved` has the systems."""
    others = {name: out / name for name in saved if name != BASELINE}
    table = coterie.measure_forgetting(others, baseline=out / BASELINE)
    facts = provenance(torch.device("cpu")) | {
        "order": ORDER, "rank": RANK, "replay": REPLAY, "limit": LIMIT, **OPTIONS,
        "saved_parameters": saved, "table": table.dump(),
    }  # fmt: skip
    RESULT.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    last = {name: sorted((out / name).glob(f"*/step-{len(ORDER)}")) for name in saved}
    coterie.report(last, forgetting=table, out=out / "report.html")
    print(table.to_markdown())


if __name__ == "__main__":
    main()
