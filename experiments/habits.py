"""The same drawings under six annotators' habits: `python -m experiments.habits OUT`.

Each drawing has six answers: its name, its kind, and its name in four languages. In the regime
"asked" every task has its own question; in "unasked" all have the same, so that no input says which
answer is meant. Systems train equally many parameters, steps and samples; tests are drawings of a
style that no run has seen. Several processes share the work, which a second call resumes.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
import yaml

import coterie
from coterie import Lora, recipes
from coterie.balancing.upgrad import UPGrad
from coterie.data.task_sampling import TaskSampling
from coterie.experts.base import Experts
from coterie.experts.hydra_lora import HydraLora
from coterie.mixture import Mixture
from coterie.models.loading import load
from coterie.recipe import Recipe
from coterie.routing.gates.base import Gate
from coterie.routing.gates.instance import InstanceGate
from coterie.routing.gates.task import TaskGate
from coterie.routing.gates.token import TokenGate
from coterie.routing.routers.base import Router
from coterie.routing.routers.rectified import Rectified
from coterie.routing.routers.softmax import Softmax
from coterie.study.cost import graft_last_stage
from coterie.task_file import read_tasks
from coterie.tasks import TextTask
from coterie_demo.pantry.assets import AssetStore
from coterie_demo.pantry.catalog import Concept, read_translations
from coterie_demo.pantry.tasks.naming import draw_on_white_card, shuffle_concepts

QUESTIONS = {
    "name": "What is this?",
    "kind": "What kind of thing is this?",
    "french": "What is this in French?",
    "german": "What is this in German?",
    "spanish": "What is this in Spanish?",
    "finnish": "What is this in Finnish?",
}
PROMPTS = {"asked": "{question}", "unasked": "What is this?"}
SEEDS = (0, 1, 2)
STEPS = 240
STAGES = (40, 120, 80)
"""Of Awaker's steps: the LoRA, the mixture, and the mixture with a frozen gate."""
PER_TASK = 8
"""Samples of each task in a step."""
LEARNING_RATE = 1e-3
LIMIT = 200
SPREAD = 0.025
ALONE = "single_task"

# The last ten layers of the language model.
LAYER = r"layers\.2\d\."
LAYERS = r"model\.language_model\." + LAYER
AT = (LAYERS + r"self_attn\.(q|k|v|o)_proj", LAYERS + r"mlp\.(gate|up|down)_proj")


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


def make_systems() -> Mapping[str, Recipe]:
    """Return name -> recipe; `check_sizes` verifies that their parameter counts agree.

    Ranks differ between attention and MLP where whole ranks would not give the same size. At equal
    weights of its experts, each mixture is a LoRA of the shared one's scale, 2.
    """
    shared = place(Lora(ranks=(11,), alpha=22.0), Lora(ranks=(10,), alpha=20.0))
    return {
        ALONE: replace(recipes.single_task(), mixtures=shared(None, None)),
        "shared_lora": replace(recipes.shared_lora(), mixtures=shared(None, None)),
        "upgrad": replace(
            recipes.shared_lora(),
            name="shared_lora_upgrad",
            mixtures=shared(None, None),
            balancing=UPGrad(),
        ),
        "soft_lora": replace(
            recipes.soft_lora(),
            mixtures=place(
                Lora(ranks=(3, 2, 2, 2), scale=8.0), Lora(ranks=(2, 2, 2, 2), scale=8.0)
            )(TokenGate(bias=False), Softmax()),
        ),
        "moelora": replace(
            recipes.moelora(),
            mixtures=place(Lora(ranks=(1,) * 11, scale=22.0), Lora(ranks=(1,) * 10, scale=20.0))(
                TaskGate(per_token=False, init_std=1.0), Softmax()
            ),
        ),
        "hydra_lora": replace(
            recipes.hydra_lora(),
            mixtures=place(
                HydraLora(count=3, rank=5, alpha=10.0), HydraLora(count=3, rank=4, alpha=8.0)
            )(TokenGate(bias=False), Softmax()),
        ),
        "rode": replace(
            recipes.rode(),
            mixtures=place(
                Lora(ranks=(1, 2, 2, 4), scale=2.0), Lora(ranks=(1, 2, 2, 3), scale=2.0)
            )(TokenGate(bias=False), Rectified(bias=1.0)),
        ),
        "dual_lora": recipes.dual_lora(rank=7, scale=2.0, dropout=0.0, at=AT),
        "awaker": make_awaker(),
        "awaker, one stage": make_awaker(stages=(0, STEPS, 0)),
        "awaker, two stages": make_awaker(stages=(STAGES[0], STEPS - STAGES[0], 0)),
        "awaker, whole prompt": make_awaker(span="prompt"),
        "awaker, image": make_awaker(span="media"),
        "awaker, text": make_awaker(span="text"),
        "awaker, tied in none": make_awaker(tie="layer", rank=8),
        "awaker, tied in all": make_awaker(tie="model", rank=11),
    }


def place(attention: Experts, mlp: Experts) -> Callable[..., tuple[Mixture, ...]]:
    """Return a function of gate and router -> the mixtures of both kinds of layers."""

    def make(gate: Gate | None, router: Router | None) -> tuple[Mixture, ...]:
        routed = {} if router is None else {"router": router}
        pairs = zip(AT, (attention, mlp), strict=True)
        return tuple(Mixture(at=at, experts=each, gate=gate, **routed) for at, each in pairs)

    return make


def make_awaker(
    *,
    stages: tuple[int, ...] = STAGES,
    span: Literal["instruction", "prompt", "media", "text"] = "instruction",
    tie: Literal["layer", "block", "model"] = "block",
    rank: int = 10,
) -> Recipe:
    """Return Awaker with other stages, another span of its gate, or another gate per layer.

    Without a first stage the experts start at random, as those of other mixtures do. `rank` is of
    the LoRA at query, key and value, which has no gate; it evens out the size of the gates.
    """
    recipe = recipes.awaker(rank=2, alpha=4.0, experts=4, dropout=0.0)
    plain, *routed = (
        replace(each, at=str(each.at).replace(r"layers\.\d+\.", LAYER)) for each in recipe.mixtures
    )
    plain = replace(plain, experts=Lora(ranks=(rank,), alpha=2.0 * rank))
    trained = [
        replace(stage, steps=steps, epochs=None, batch_size=None, learning_rate=LEARNING_RATE)
        for stage, steps in zip(recipe.stages, stages, strict=True)
        if steps
    ]
    if not stages[0]:
        trained[0] = replace(trained[0], init="continue")
    return replace(
        recipe,
        mixtures=(plain, *(_with_gate(each, span, tie) for each in routed)),
        stages=tuple(trained),
    )


def _with_gate(
    mixture: Mixture,
    span: Literal["instruction", "prompt", "media", "text"],
    tie: Literal["layer", "block", "model"],
) -> Mixture:
    gate = mixture.gate
    assert isinstance(gate, InstanceGate)
    # The recipe ties the layers of the MLP, and has one layer in attention.
    return replace(mixture, gate=replace(gate, span=span, tie=gate.tie if tie == "block" else tie))


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


def work(out: Path, steps: int, until: float) -> None:
    """Run units that no other process has taken, until the time `until`."""
    for unit in list_units():
        if time.time() > until:
            return
        claim = out / "claims" / unit.path.replace("/", "+")
        try:
            os.close(os.open(claim, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            continue
        start = time.time()
        run(unit, out, steps)
        print(f"{unit.path}: {time.time() - start:.0f} s", flush=True)


def check_sizes() -> dict[str, int]:
    """Return the sizes of all systems. SystemExit if they are not alike, within SPREAD."""
    sizes = {
        name: graft_last_stage(load("embedded").model, recipe, tuple(QUESTIONS))[1]
        for name, recipe in make_systems().items()
    }
    if max(sizes.values()) > (1 + SPREAD) * min(sizes.values()):
        raise SystemExit(f"the systems differ in size by more than {SPREAD:.0%}: {sizes}")
    return sizes


def find_finished(out: Path, regime: str) -> Iterator[tuple[str, list[coterie.Run]]]:
    """Yield each system that is scored for all seeds (and tasks), with its runs."""
    by_system: dict[str, list[Unit]] = {}
    for unit in list_units():
        if unit.regime == regime:
            by_system.setdefault(unit.system, []).append(unit)
    for system, units in by_system.items():
        folders = [out / unit.path for unit in units]
        if all((folder / "scores.json").is_file() for folder in folders):
            yield system, [coterie.Run.read(folder) for folder in folders]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seconds", type=float, default=1e9, help="start no unit after these")
    parser.add_argument("--until", type=float, help="be one of the processes")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.until:
        work(given.out, given.steps, given.until)
        return
    until = time.time() + given.seconds
    write_rows(given.out / "rows")
    (given.out / "claims").mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "experiments.habits", str(given.out)]
    command += ["--steps", str(given.steps), "--until", str(until)]
    workers = [subprocess.Popen(command) for _ in range(given.processes)]
    failed = [worker.wait() for worker in workers]
    print(f"exit codes {failed}")


if __name__ == "__main__":
    main()
