"""Compare ways to join RGB and depth on rendered scenes, also with a sensor missing.

Small ViTs learn segmentation and normals from the same images in the same order, all from random
weights, so that none is better prepared for RGB than for depth. All have about as many weights and
cost about as much: a single backbone has eight blocks, one of two has four, which beside U3M's
block have narrower MLPs. Depth is exact, as the renderer has it.

    python -m experiments.sensors --out runs/sensors

Finished runs are reused, so a stopped one can be resumed; the result is
benchmarks/results/sensors-cpu.json.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from transformers import ViTConfig, ViTModel

import coterie
from benchmarks.provenance import provenance
from coterie import recipes
from coterie.balancing.uncertainty import Uncertainty
from coterie.encoding.fusion import Fusion
from coterie.models.multitask_vision.fusions.channels import ChannelConcatenation
from coterie.models.multitask_vision.fusions.mean import MeanFusion
from coterie.models.multitask_vision.fusions.u3m import U3MFusion
from coterie.recipe import Recipe
from coterie.tasks.dense.task_set import DenseTasks
from coterie.tasks.dense.vision_config import VisionConfig
from coterie_demo.scenes import make_scenes
from coterie_demo.scenes.dataset import Scenes

RESULT = Path(__file__).parents[1] / "benchmarks" / "results" / "sensors-cpu.json"
SEEDS = (0, 1, 2)
TASKS = ("segmentation", "normals")
RENDERED, SIDE, PATCH = 84, 48, 8
"""Sides in pixels: of the rendered images, of those that models read, and of a patch."""
WIDTH, HEADS, MLP = 64, 2, 256
NARROW_MLP = 221
"""In 2 * 4 blocks, 36,120 weights fewer than with MLP: U3M's block for two sensors has 36,096."""
STEPS, BATCH_SIZE, LEARNING_RATE = 100, 16, 1e-3
DROP = 0.3
"""Probability that a sample lacks a sensor in training, in the system that learns to."""
LIMIT = 200
"""Test images."""
BOTH = ("image", "depth")


@dataclass(frozen=True, kw_only=True)
class SensorSystem:
    """A way to join sensors.

    Attributes:
        blocks, mlp: blocks of each backbone, and their hidden features.
    """

    inputs: tuple[str, ...] = BOTH
    fusion: Fusion | None = None
    drop_sensors: float = 0.0
    blocks: int = 4
    mlp: int = MLP

    def make_tasks(self, folder: Path) -> DenseTasks:
        """Return the tasks with the system's sensors."""
        vision = VisionConfig(
            pretrained=False, size=(SIDE, SIDE), fusion=self.fusion, drop_sensors=self.drop_sensors
        )
        scenes = Scenes(folder=folder, names=TASKS, inputs=self.inputs)
        return DenseTasks(dataset=scenes, vision=vision)

    def make_backbone(self, folder: Path) -> str:
        """Write the backbone's configuration, and weights that no run reads; return its folder."""
        base = folder / f"vit-{self.blocks}-{self.mlp}"
        config = ViTConfig(
            hidden_size=WIDTH, num_attention_heads=HEADS, num_hidden_layers=self.blocks,
            intermediate_size=self.mlp, image_size=SIDE, patch_size=PATCH,
        )  # fmt: skip
        if not base.is_dir():
            ViTModel(config, add_pooling_layer=False).save_pretrained(base)
        return str(base)


SYSTEMS: Mapping[str, SensorSystem] = {
    "image": SensorSystem(inputs=("image",), blocks=8),
    "depth": SensorSystem(inputs=("depth",), blocks=8),
    "channels": SensorSystem(fusion=ChannelConcatenation(), blocks=8),
    "mean": SensorSystem(fusion=MeanFusion()),
    "u3m": SensorSystem(fusion=U3MFusion(), mlp=NARROW_MLP),
    "u3m, dropped": SensorSystem(fusion=U3MFusion(), mlp=NARROW_MLP, drop_sensors=DROP),
}


def make_recipe() -> Recipe:
    """Return the recipe of all systems: every weight is trained, at one rate."""
    [stage] = recipes.dense().stages
    stage = replace(
        stage, learning_rate=LEARNING_RATE, learning_rates={}, epsilon=1e-8, batch_size=BATCH_SIZE,
        steps=STEPS, epochs=None, schedule="cosine", warmup=0.1, weight_decay=0.05,
        decays_balancing=False,
    )  # fmt: skip
    return replace(recipes.dense(), balancing=Uncertainty(), stages=(stage,))


def train(out: Path, scenes: Path, name: str, seed: int) -> coterie.Run:
    """Train a system and score it with all sensors and without each, unless that is done."""
    system = SYSTEMS[name]
    run = coterie.train(
        make_recipe(),
        base=system.make_backbone(out),
        tasks=system.make_tasks(scenes),
        out=out / name.replace(", ", "-") / f"seed-{seed}",
        resume=True,
        seed=seed,
    )
    alone = [(sensor,) for sensor in system.inputs] if len(system.inputs) > 1 else []
    for without in [(), *alone]:
        coterie.evaluate(run, without=without, limit=LIMIT)
    return run


def main(arguments: Sequence[str] | None = None) -> None:
    """Train all systems of all seeds in one process, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/sensors"))
    parser.add_argument("--scenes", type=Path, default=Path("runs/sensors/scenes"))
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    make_scenes(given.scenes, size=RENDERED, workers=1)
    facts = provenance(torch.device("cpu"))
    found: dict[str, list[coterie.Run]] = {name: [] for name in SYSTEMS}
    for seed in SEEDS:
        for name, runs in found.items():
            runs.append(train(given.out, given.scenes, name, seed))
            print(f"== {name}, seed {seed}", flush=True)
    table = coterie.compare(found, baseline=found["image"])
    print(table.to_markdown())
    facts |= {
        "seeds": SEEDS, "tasks": TASKS, "steps": STEPS, "batch_size": BATCH_SIZE,
        "learning_rate": LEARNING_RATE, "drop_sensors": DROP, "size": SIDE, "patch": PATCH,
        "width": WIDTH, "limit": LIMIT, "table": table.dump(),
    }  # fmt: skip
    RESULT.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
