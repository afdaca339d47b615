"""Compare shared, single-task and mixture adapters at equal size and steps: `make experiment`.

Every system adapts the same layers of the embedded omni model with as many trainable parameters,
takes as many steps, gets the same number of samples of each task in each step, and is scored on
the same held-out rows. At equal weights of its experts, each mixture is a LoRA of the shared one's
scale. Finished runs are reused, so a stopped experiment can be resumed; the result is
benchmarks/results/conflict-cpu.json.
"""

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

import coterie
from benchmarks.provenance import provenance
from coterie import Lora, recipes
from coterie.data.task_sampling import TaskSampling
from coterie.models.loading import load
from coterie.recipe import Recipe
from coterie.study.cost import graft_last_stage
from coterie.task_file import read_tasks
from coterie.tasks import TextTask
from experiments.parts import in_parts

RESULT = Path(__file__).parents[1] / "benchmarks" / "results" / "conflict-cpu.json"
SEEDS = (0, 1, 2)
LEARNING_RATE = 1e-3
ALONE, SHARED = "single_task", "shared_lora"
DIAGNOSED = (SHARED, "moelora")
BATCHES = 2
"""Batches of each task for a diagnosis; one takes a minute or two."""
SPREAD = 0.02


@dataclass(frozen=True, kw_only=True)
class Regime:
    """Tasks that are trained together, and the settings of their training.

    Attributes:
        tasks: of pantry.
        prompt: the user's message, as in tasks.yaml.
        systems: names out of `systems`.
        steps: of every system, the single-task models too.
        per_task: samples of each task in a step.
        limit: test rows per task.
    """

    tasks: tuple[str, ...]
    prompt: str
    systems: tuple[str, ...]
    steps: int
    per_task: int
    limit: int

    def chosen(self) -> tuple[TextTask, ...]:
        """Return the tasks, in order."""
        found = read_tasks("pantry:" + ",".join(self.tasks))
        tasks = map(found.get_text_task, found.names)
        return tuple(replace(task, prompt=self.prompt) for task in tasks)


REGIMES = {
    # Each task has its own question, so one model can tell the tasks apart.
    "asked": Regime(
        tasks=(
            "naming", "group", "food_group", "nutrition", "counting", "chart", "spoken",
            "spoken_question",
        ),
        prompt="{question}",
        systems=(ALONE, SHARED, "soft_lora", "rode", "awaker", "moelora"),
        steps=60,
        per_task=2,
        limit=40,
    ),
    # All tasks have the same prompt, two for each kind of image: the name or the kind of a drawing,
    # the kind or the energy of a food. As in dense vision, the input does not identify the task.
    "unasked": Regime(
        tasks=("naming", "group", "food_group", "energy"),
        prompt="Answer.",
        systems=(ALONE, SHARED, "soft_lora", "moelora"),
        steps=48,
        per_task=4,
        limit=40,
    ),
}  # fmt: skip

# The last layers of the language model: lower ones are frozen, and run once per sample.
LAYER = r"layers\.2\d\."
LAYERS = r"model\.language_model\." + LAYER
AT = (LAYERS + r"self_attn\.(q|k|v|o)_proj", LAYERS + r"mlp\.(gate|up|down)_proj")


def systems() -> Mapping[str, Recipe]:
    """Return name -> recipe; `check_sizes` verifies that their parameter counts agree."""
    awaker = recipes.awaker(rank=8, alpha=16.0, experts=4)
    plain, *routed = (
        replace(each, at=str(each.at).replace(r"layers\.\d+\.", LAYER)) for each in awaker.mixtures
    )
    # Awaker's ungated LoRA has rank 16 to compensate for the rounding of the experts' ranks.
    plain = replace(plain, experts=Lora(ranks=(16,), alpha=32.0, dropout=0.05))
    return {
        ALONE: recipes.single_task(rank=34, alpha=68.0, at=AT),
        SHARED: recipes.shared_lora(rank=34, alpha=68.0, at=AT),
        "soft_lora": recipes.soft_lora(experts=4, rank=8, alpha=4 * 16.0, at=AT),
        "rode": recipes.rode(ranks=(2, 4, 8, 18), bias=1.0, at=AT, scale=None, dropout=0.0),
        "awaker": replace(awaker, mixtures=(plain, *routed)),
        "moelora": recipes.moelora(experts=17, rank=2, alpha=17 * 4.0, at=AT),
    }


def check_sizes(regime: Regime) -> None:
    """Raise SystemExit unless all systems train equally many parameters, within SPREAD."""
    compared = {name: systems()[name] for name in regime.systems}
    sizes = {
        name: graft_last_stage(load("embedded").model, recipe, regime.tasks)[1]
        for name, recipe in compared.items()
    }
    print(sizes, flush=True)
    if max(sizes.values()) > (1 + SPREAD) * min(sizes.values()):
        raise SystemExit(f"the systems differ in size by more than {SPREAD:.0%}: {sizes}")


def runs(out: Path, regime: str, name: str, seed: int) -> Iterator[coterie.Run]:
    """Train and score a system's runs of one seed: one, or one per task."""
    known = REGIMES[regime]
    tasks = known.chosen()
    groups = [(task,) for task in tasks] if name == ALONE else [tasks]
    for group in groups:
        folder = out / regime / name / f"seed-{seed}"
        run = coterie.train(
            systems()[name],
            base="embedded",
            tasks=group,
            out=folder / group[0].name if len(groups) > 1 else folder,
            resume=True,
            mix=TaskSampling(temperature="equal"),
            seed=seed,
            steps=known.steps,
            batch_size=known.per_task * len(group),
            learning_rate=LEARNING_RATE,
        )
        coterie.evaluate(run, limit=known.limit)
        yield run


def work(out: Path, part: int, parts: int) -> None:
    """Run this process's share of systems and seeds; controls with the first seed."""
    units = [(regime, name, seed) for seed in SEEDS for regime in REGIMES
             for name in REGIMES[regime].systems]  # fmt: skip
    for regime, name, seed in units[part::parts]:
        print(f"== {regime}, {name}, seed {seed}", flush=True)
        for run in runs(out, regime, name, seed):
            if name == SHARED and seed == SEEDS[0]:
                coterie.evaluate(run, limit=REGIMES[regime].limit, untrained=True)
                coterie.evaluate(run, limit=REGIMES[regime].limit, blind=True)


def summarised(out: Path, regime: str) -> dict:
    """Return a regime's results, and print them."""
    known = REGIMES[regime]
    found = {
        name: [run for seed in SEEDS for run in runs(out, regime, name, seed)]
        for name in known.systems
    }
    table = coterie.compare(found, baseline=found[ALONE])
    conflict = {"before": coterie.diagnose("embedded", known.chosen(), batches=BATCHES, at=AT)}
    for name in DIAGNOSED:
        conflict[name] = coterie.diagnose(found[name][0], batches=BATCHES, at=AT)
    print(table.to_markdown())
    for name, each in conflict.items():
        print(f"{regime}, {name}: {each.summary}", flush=True)
    return {
        "tasks": known.tasks, "prompt": known.prompt, "steps": known.steps,
        "samples_per_task_and_step": known.per_task, "limit": known.limit, "table": table.dump(),
        "conflict": {name: each.dump() for name, each in conflict.items()},
    }  # fmt: skip


def main() -> None:
    """Train in as many processes as requested, one thread each, then summarise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/experiment"))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--part", type=int, help="be one of the processes")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.part is not None:
        work(arguments.out, arguments.part, arguments.processes)
        return
    for regime in REGIMES.values():
        check_sizes(regime)
    facts = provenance(torch.device("cpu"))
    in_parts("experiments.conflict", arguments.out, arguments.processes)
    torch.set_num_threads(arguments.processes)
    facts |= {
        "seeds": SEEDS, "learning_rate": LEARNING_RATE, "base": "embedded", "at": AT,
        "regimes": {regime: summarised(arguments.out, regime) for regime in REGIMES},
    }  # fmt: skip
    RESULT.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
