"""Runs on pictures that never were, as files: their scores, and the pictures of their answers."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from coterie import Recipe
from coterie.evaluate.predictions import write_predictions
from coterie.evaluate.scores import TaskScore
from coterie.metrics.base import MapPrediction
from coterie.tasks.dense.dataset import DenseSample
from coterie.tasks.dense.inference import save_examples
from coterie.tasks.dense.task_set import DenseTasks
from coterie.train.config import RunConfig
from coterie.train.run_directory import RunDirectory
from tests.evaluate.dense_runs import TASKS, RandomPictures, recipe
from tests.report.synthetic import put


def run(
    folder: Path,
    names: tuple[str, ...] = tuple(TASKS),
    *,
    made_by: Recipe | None = None,
    noise: float = 0.3,
    experts: int = 4,
) -> Path:
    """A run's folder as training and `coterie.evaluate` leave it; `noise` spoils its answers."""
    pictures = RandomPictures(names=names)
    plan = RunConfig(recipe=made_by or recipe(), base="vit", tasks=DenseTasks(dataset=pictures))
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(plan.dumps(), encoding="utf-8")
    random = np.random.default_rng(len(names))
    routed = bool(plan.recipe.mixtures)
    _log(folder, names, routed, noise)
    layers = {}
    for layer in range(6 if routed else 0):
        # Half of the experts a token; tasks grow apart with depth.
        odds = np.exp(random.normal(size=(len(names), experts)) * (0.1 + layer / 4))
        use = dict(zip(names, (odds / odds.sum(1, keepdims=True)).tolist(), strict=True))
        chosen = {name: [min(1.0, 2 * each) for each in means] for name, means in use.items()}
        labels = [f"copies {i + 1}" for i in range(experts)]
        layers[f"backbone.layers.{layer}.mlp"] = {
            "experts": labels, "mean_weight": use, "chosen": chosen
        }  # fmt: skip
    put(folder / "routing.json", {"layers": layers})
    _evaluated(folder, pictures, noise)
    return folder


def _log(folder: Path, names: tuple[str, ...], routed: bool, noise: float) -> None:
    lines = []
    for step in range(10, 301, 10):
        losses = {name: math.exp(-step / 90) + noise + i for i, name in enumerate(names)}
        line = {"step": step, "time_s": step * 0.5, "samples": 8 * step,
                "loss": sum(losses.values()), "task_loss": losses}  # fmt: skip
        if routed and len(names) > 1:
            line["information"] = {
                f"backbone.layers.{layer}.mlp": 0.1 * layer * (1 - math.exp(-step / 120))
                for layer in range(6)
            }
        lines.append(json.dumps(line))
    (folder / "log.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _evaluated(folder: Path, pictures: RandomPictures, noise: float) -> None:
    rows = list(pictures.load_split("test"))
    said = [answer(sample, noise) for sample in rows]
    directory, scores = RunDirectory(folder), {}
    for task in pictures.tasks:
        metric = task.make_metric()
        found = [
            None if task.name not in sample.labels
            else metric.statistics(
                MapPrediction(values=each[task.name]), sample.labels[task.name]
            )
            for sample, each in zip(rows, said, strict=True)
        ]  # fmt: skip
        length = next(len(each) for each in found if each is not None)
        statistics = np.stack([np.zeros(length) if each is None else each for each in found])
        predictions = [{"source": sample.source} for sample in rows]
        file = directory.predictions_file("test", task.name)
        write_predictions(file, predictions, statistics)
        scores[task.name] = vars(
            TaskScore.from_statistics(metric, statistics, task=task.name, resamples=20)
        )
    cost = {"trainable_parameters": 2_000_000, "active_parameters": 1_100_000,
            "total_parameters": 2_000_000, "flops_per_sample": 1e9,
            "train_time_s": 150.0, "samples_per_s": 16.0,
            "generate_samples_per_s": 30.0}  # fmt: skip
    put(folder / "scores.json", {"split": "test", "tasks": scores, "cost": cost, "control": ""})
    save_examples(
        RunDirectory(folder).examples_file("test"),
        pictures.tasks,
        list(zip(rows, said, strict=True))[:4],
    )


def answer(sample: DenseSample, noise: float) -> Mapping[str, Tensor]:
    """The labels, spoiled."""
    lots = torch.Generator().manual_seed(len(sample.source))
    depth, scene = sample.labels.get("depth"), sample.labels.get("scene")
    classes = sample.labels.get("classes", torch.zeros(28, 28, dtype=torch.int64))
    wanted = {
        "depth": torch.zeros(1, 28, 28) if depth is None else depth,
        "classes": F.one_hot(classes, 3).movedim(-1, 0).float(),
        "scene": torch.zeros(4) if scene is None else scene,
    }
    return {
        name: each + noise * torch.randn(each.shape, generator=lots)
        for name, each in wanted.items()
    }
