"""One shared adapter, one a task, or a mixture, at equal size and equal steps: `make experiment`.

Every system adapts the same layers of the embedded host with as many trainable parameters, sees the
same samples a task, and is scored on the same held-out rows. Runs that are finished are kept, so a
stopped experiment goes on; the result is benchmarks/results/conflict-cpu.json.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import torch

import coterie
from benchmarks.provenance import provenance
from coterie import Lora, recipes
from coterie.cli.showcase import trainable
from coterie.data.mix import Mix
from coterie.recipe import Recipe
from coterie.tasks import Task, read_tasks

RESULT = Path(__file__).parents[1] / "benchmarks" / "results" / "conflict-cpu.json"
TASKS = (
    "naming", "group", "food_group", "nutrition", "counting", "ocr", "chart", "spoken",
    "spoken_question",
)  # fmt: skip
SEEDS = (0, 1, 2)
STEPS = 108  # 12 for each single-task model
BATCH_SIZE = 16
LIMIT = 60  # test rows a task
LEARNING_RATE = 1e-3

# The last third of the language model: what is below is frozen, and so is computed once a sample.
LAYERS = r"model\.language_model\.layers\.2\d\."
AT = (LAYERS + r"self_attn\.(q|k|v|o)_proj", LAYERS + r"mlp\.(gate|up|down)_proj")
ALONE = "single_task"
SPREAD = 0.02


def systems() -> Mapping[str, Recipe]:
    """Name -> recipe; `check_sizes` holds them to equally many parameters."""
    awaker = recipes.awaker(rank=8, alpha=16.0, experts=4)
    plain, *routed = (
        replace(each, at=str(each.at).replace(r"layers\.\d+", r"layers\.2\d"))
        for each in awaker.mixtures
    )
    # Rank 16 where Awaker has one LoRA without a choice makes up for the experts' rounding.
    plain = replace(plain, experts=Lora(ranks=(16,), alpha=32.0, dropout=0.05))
    return {
        ALONE: recipes.single_task(rank=34, alpha=68.0, at=AT),
        "shared_lora": recipes.shared_lora(rank=34, alpha=68.0, at=AT),
        "mole": recipes.mole(experts=4, rank=8, at=AT),
        "rode": recipes.rode(ranks=(2, 4, 8, 18), at=AT),
        "awaker": replace(awaker, mixtures=(plain, *routed)),
        "moelora": recipes.moelora(experts=17, rank=2, alpha=4.0, at=AT),
    }


def check_sizes() -> None:
    """Stops unless all systems train equally many parameters, within SPREAD."""
    sizes = trainable("embedded", systems(), list(TASKS))
    print(sizes, flush=True)
    if max(sizes.values()) > (1 + SPREAD) * min(sizes.values()):
        raise SystemExit(f"the systems differ in size by more than {SPREAD:.0%}: {sizes}")


def runs(out: Path, name: str, seed: int, tasks: tuple[Task, ...]) -> Iterator[coterie.Run]:
    """A system's runs of one seed, trained and scored; one, or one a task."""
    recipe, groups = systems()[name], [tasks]
    if name == ALONE:
        groups = [(task,) for task in tasks]
    for group in groups:
        folder = out / name / f"seed-{seed}"
        run = coterie.train(
            recipe,
            base="embedded",
            tasks=group,
            out=folder / group[0].name if len(groups) > 1 else folder,
            resume=True,
            mix=Mix(temperature="equal"),
            seed=seed,
            steps=STEPS // len(groups),
            batch_size=BATCH_SIZE,
            learning_rate=LEARNING_RATE,
        )
        coterie.evaluate(run, limit=LIMIT)
        yield run


def work(out: Path, part: int, parts: int) -> None:
    """Every system and seed that falls to this process; controls with the first."""
    tasks = chosen()
    units = [(name, seed) for seed in SEEDS for name in systems()]
    for name, seed in units[part::parts]:
        print(f"== {name}, seed {seed}", flush=True)
        for run in runs(out, name, seed, tasks):
            if name == "shared_lora" and seed == SEEDS[0]:
                coterie.evaluate(run, limit=LIMIT, untrained=True)
                coterie.evaluate(run, limit=LIMIT, blind=True)


def chosen() -> tuple[Task, ...]:
    """The tasks, in order."""
    return read_tasks("pantry:" + ",".join(TASKS))


def summarised(out: Path) -> None:
    """Writes the result, and prints it."""
    tasks = chosen()
    found = {
        name: [run for seed in SEEDS for run in runs(out, name, seed, tasks)] for name in systems()
    }
    table = coterie.compare(found, baseline=found[ALONE])
    before = coterie.diagnose("embedded", tasks, at=AT)
    after = {
        name: coterie.diagnose(found[name][0], at=AT) for name in ("shared_lora", "mole", "moelora")
    }
    RESULT.write_text(
        json.dumps(
            provenance(torch.device("cpu"))
            | {
                "seeds": SEEDS, "steps": STEPS, "batch_size": BATCH_SIZE, "limit": LIMIT,
                "learning_rate": LEARNING_RATE, "base": "embedded", "at": AT,
                "table": table.dump(), "conflict": {"before": before.dump()}
                | {name: each.dump() for name, each in after.items()},
            },
            indent=1,
        )
        + "\n"
    )  # fmt: skip
    print(table.markdown())
    for name, each in {"before": before, **after}.items():
        print(f"{name}: {each.sentence}")


def main() -> None:
    """Trains in as many processes as asked for, one thread each, then summarises."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/experiment"))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--part", type=int, help="be one of the processes")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.part is not None:
        work(arguments.out, arguments.part, arguments.processes)
        return
    check_sizes()
    command = [sys.executable, "-m", "experiments.conflict", "--out", str(arguments.out)]
    command += ["--processes", str(arguments.processes), "--part"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    workers = [
        subprocess.Popen([*command, str(part)], env=environment)
        for part in range(arguments.processes)
    ]
    if any([worker.wait() for worker in workers]):
        raise SystemExit("a part of the experiment failed; the same command goes on from there")
    summarised(arguments.out)


if __name__ == "__main__":
    main()
