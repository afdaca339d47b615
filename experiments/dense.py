"""Compare Mod-Squad with its baselines on rendered scenes, at equal budget: `make dense`.

Every system starts from the same backbone: the first nine blocks of the embedded DINOv2 ViT-S/14,
which are the best for dense tasks. Six of them are frozen and run once for all tasks; three are
task-specific. Each system is trained on the same images in the same order, each task equally
often: a single-task model gets as many images as the multi-task model. MLP experts have a share of
the base model's hidden units, so that a token uses as many weights as in the dense model. Finished
runs are reused, so a stopped one can be resumed; the result is benchmarks/results/scenes-cpu.json.
"""

import argparse
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModel

import coterie
from benchmarks.provenance import provenance
from coterie import recipes
from coterie.balancing.uncertainty import Uncertainty
from coterie.paths import get_cache_dir
from coterie.recipe import Recipe
from coterie.routing.mutual_information import TaskExpertMass
from coterie.tasks.dense.task_set import DenseTasks
from coterie.tasks.dense.vision_config import VisionConfig
from coterie_demo.scenes import make_scenes
from coterie_demo.scenes.dataset import Scenes
from experiments.expert_usage import read_information
from experiments.parts import in_parts

RESULT = Path(__file__).parents[1] / "benchmarks" / "results" / "scenes-cpu.json"
SEEDS = (0, 1, 2)
MASSES: tuple[TaskExpertMass, ...] = ("probability", "chosen")
TASKS = ("segmentation", "depth", "normals", "edges", "reshading")
ALONE = "single_task"
BACKBONE = "backbone"
PROVENANCE = "provenance.json"
"""Provenance of the training: a reused run may be of an earlier commit than the table."""
STEPS = 100
BATCH_SIZE = 16
LEARNING_RATE = 5e-4
HEADS = r"heads\..*"
NEW = {HEADS: 2e-3, "gates": 2e-3}
"""Learning rates of new parameters, which are higher; of gates in systems that have some."""
LIMIT = 200
"""Test images."""
DEPTH, FROZEN = 9, 6
"""Blocks of the backbone, and how many of them are before the task embedding."""
BLOCKS = r"backbone\.encoder\.layer\.(6|7|8)\."
EVERY_SECOND = r"backbone\.encoder\.layer\.(6|8)\."
EXPERTS = (32, 4)
VISION = VisionConfig(shared_layers=FROZEN, size=(84, 84))


def systems() -> Mapping[str, Recipe]:
    """Return name -> recipe, all with the same optimizer.

    "selected": four experts of a quarter each with weights that sum to 1 are the base model's MLP,
    so that all systems initially compute the same function. "no_information" is Mod-Squad without
    its one loss.
    """
    chosen = {"mlp": EXPERTS, "attention": None, "normalize": "selected", "mlp_ratio": 4}
    alone, at = recipes.dense(), BLOCKS + "mlp"
    known = {
        ALONE: alone,
        "dense": alone,
        "plain_moe": placed(recipes.plain_moe(**chosen, noisy=True), at),
        "m3vit": placed(
            recipes.m3vit(experts=EXPERTS[0], active=EXPERTS[1], mlp_ratio=4), EVERY_SECOND + "mlp"
        ),
        "no_information": placed(recipes.mod_squad(**chosen, information=0.0), at),
        "mod_squad": placed(recipes.mod_squad(**chosen, information=0.005), at),
    }
    return {name: trained_alike(recipe) for name, recipe in known.items()}


def placed(recipe: Recipe, at: str) -> Recipe:
    """Return a recipe with its one mixture at other layers."""
    [mixture] = recipe.mixtures
    return replace(recipe, mixtures=(replace(mixture, at=at),))


def trained_alike(recipe: Recipe) -> Recipe:
    """Return a recipe that trains the last blocks, with or without experts; others are frozen."""
    stage = replace(
        recipe.stages[0],
        trains=("adapter", BLOCKS + ".*") if recipe.mixtures else (BLOCKS + ".*",),
        learning_rate=LEARNING_RATE,
        learning_rates=NEW if recipe.mixtures else {HEADS: NEW[HEADS]},
        epsilon=1e-8,
        batch_size=BATCH_SIZE,
        steps=STEPS,
        epochs=None,
        schedule="cosine",
        warmup=0.1,
        weight_decay=0.05,
        decays_balancing=False,
    )
    return replace(recipe, balancing=Uncertainty(), stages=(stage,))


def make_backbone(folder: Path) -> None:
    """Write the used blocks, with the configuration of the image preprocessing."""
    weights, prepared = get_cache_dir() / "weights" / "vision", "preprocessor_config.json"
    described = json.loads((weights / "config.json").read_text())
    config = AutoConfig.for_model(**described | {"num_hidden_layers": DEPTH})
    AutoModel.from_pretrained(weights, config=config).save_pretrained(folder)
    shutil.copy(weights / prepared, folder / prepared)


def runs(out: Path, name: str, seed: int) -> Iterator[coterie.Run]:
    """Train and score a system's runs of one seed: one, or one per task."""
    for names in [(task,) for task in TASKS] if name == ALONE else [TASKS]:
        folder = out / name / f"seed-{seed}"
        run = coterie.train(
            systems()[name],
            base=str(out / BACKBONE),
            tasks=DenseTasks(
                dataset=Scenes(names=names),
                vision=replace(VISION, task_embedding=name != "m3vit"),
            ),
            out=folder / names[0] if name == ALONE else folder,
            resume=True,
            seed=seed,
        )
        if not (run.folder / "scores.json").is_file():
            facts = json.dumps(provenance(torch.device("cpu")), indent=1)
            (run.folder / PROVENANCE).write_text(facts)
            coterie.evaluate(run, limit=LIMIT)
        yield run


def work(out: Path, part: int, parts: int) -> None:
    """Run this process's share of systems and seeds."""
    for name, seed in [(name, seed) for seed in SEEDS for name in systems()][part::parts]:
        print(f"== {name}, seed {seed}", flush=True)
        for run in runs(out, name, seed):
            print(f"   {run.folder}", flush=True)


def main() -> None:
    """Train in as many processes as requested, one thread each, then summarise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/dense"))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--part", type=int, help="be one of the processes")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.part is not None:
        work(arguments.out, arguments.part, arguments.processes)
        return
    make_scenes(get_cache_dir() / "scenes", workers=arguments.processes)
    make_backbone(arguments.out / BACKBONE)
    facts = provenance(torch.device("cpu"))
    in_parts("experiments.dense", arguments.out, arguments.processes)
    found = {
        name: [run for seed in SEEDS for run in runs(arguments.out, name, seed)]
        for name in systems()
    }
    table = coterie.compare(found, baseline=found[ALONE])
    print(table.to_markdown())
    facts |= {
        "seeds": SEEDS, "tasks": TASKS, "steps": STEPS, "batch_size": BATCH_SIZE,
        "learning_rate": LEARNING_RATE, "learning_rates": NEW, "limit": LIMIT,
        "base": "embedded DINOv2 ViT-S/14",
        "blocks": DEPTH, "frozen_blocks": FROZEN, "experts": EXPERTS, "size": VISION.size,
        "trained": {name: [json.loads((run.folder / PROVENANCE).read_text())["commit"]
                           for run in of_system] for name, of_system in found.items()},
        "table": table.dump(),
        "information": {name: {mass: [read_information(run.folder, mass) for run in of_system]
                               for mass in MASSES}
                        for name, of_system in found.items() if name != ALONE},
    }  # fmt: skip
    RESULT.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
