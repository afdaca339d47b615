"""Runs that never were, as files: what `report` reads, with numbers of a plausible shape."""

import json
import math
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

import coterie
from coterie import metrics
from coterie.evaluate.scores import TaskScore
from coterie.metrics.base import TextPrediction
from coterie.recipe import Recipe
from coterie.tasks.text.task import TextTask
from coterie.tasks.text.task_set import TextTasks
from coterie.train.config import RunConfig

WORDS = ("apple", "basil", "carrot", "durian", "eggplant", "fig", "grape", "hazelnut")
RECIPES = {
    "shared_lora": lambda: coterie.recipes.shared_lora(),
    "single_task": lambda: coterie.recipes.single_task(),
    "soft_lora": lambda: coterie.recipes.soft_lora(),
    "rode": lambda: coterie.recipes.rode(),
}


@dataclass(frozen=True)
class Kind:
    """A task to make up: its name, its metric, what its rows carry, and how easy it is."""

    name: str
    metric: str = "exact_match"
    media: str = "image"
    ease: float = 0.6


TASKS = (
    Kind("naming", ease=0.62),
    Kind("group", ease=0.81),
    Kind("counting", ease=0.55),
    Kind("ocr", metric="character_error_rate", ease=0.7),
    Kind("energy", metric="mean_absolute_error", ease=0.5),
    Kind("spoken_words", media="audio", ease=0.75),
)
MANY = (*TASKS, *(Kind(f"task_number_{i}_of_a_long_list", ease=0.3 + 0.05 * i) for i in range(6)))


def data(folder: Path, kinds: Sequence[Kind], *, samples: int = 12) -> tuple[TextTask, ...]:
    """Rows of each task with their media, and the tasks that point to them."""
    return tuple(_task(folder, kind, samples) for kind in kinds)


def _task(folder: Path, kind: Kind, samples: int) -> TextTask:
    metric = metrics.parse_metric(kind.metric)
    name = kind.name.replace(" ", "_")[:40]
    rows = []
    for i in range(samples):
        at = f"media/{name}-{i}.{'png' if kind.media == 'image' else 'wav'}"
        (folder / "media").mkdir(parents=True, exist_ok=True)
        (_picture if kind.media == "image" else _sound)(folder / at, i)
        asked = {
            "naming": "What is shown?",
            "energy": "How many kcal has this in 100 g?",
            "spoken_words": "Which word is said?",
        }.get(kind.name, f"What about {kind.name}?")
        rows.append({kind.media: at, "question": asked, "answer": _wanted(metric, i)})
    file = folder / f"{name}.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return TextTask(name=kind.name, rows={"test": file.name}, folder=str(folder), metric=metric)


def _wanted(metric: metrics.TextMetric, i: int) -> str:
    return WORDS[i % len(WORDS)] if metric.unit == "%" else str(40 + 17 * (i % 23))


def _picture(at: Path, i: int) -> None:
    image = Image.new("RGB", (320 + 20 * (i % 3), 300), (240, 236, 225))
    draw = ImageDraw.Draw(image)
    for j in range(1 + i % 4):
        x, y = 40 + 60 * j, 60 + (i * 37 + j * 51) % 140
        fill = ((i * 67) % 256, (i * 131 + 60) % 200, (j * 90) % 256)
        draw.ellipse((x, y, x + 80, y + 80), fill=fill)
    image.save(at)


def _sound(at: Path, i: int) -> None:
    seconds = 1 + 3 * (i % 2)  # every other one is too large for the page as it is
    time = np.arange(16_000 * seconds) / 16_000
    samples = 0.3 * np.sin(2 * math.pi * (200 + 40 * i) * time) * np.exp(-time)
    with wave.open(str(at), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes((samples * 32767).astype("<i2").tobytes())


def run(
    folder: Path,
    tasks: Sequence[TextTask],
    kinds: Sequence[Kind],
    *,
    recipe: str = "soft_lora",
    seed: int = 0,
    skill: float = 0.0,
    steps: int = 300,
    layers: int = 12,
    controls: bool = True,
    conflict: float | None = 0.1,
) -> Path:
    """A run's folder with every part there is; `skill` is added to each task's ease."""
    random = np.random.default_rng([seed, sum(map(ord, recipe))])
    plan = RunConfig(
        recipe=RECIPES[recipe](),
        base="embedded",
        tasks=TextTasks(tasks=tuple(tasks)),
        seed=seed,
        steps=steps,
    )
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(plan.dumps() + "\n", encoding="utf-8")
    made_on = {"machine": "a machine", "device": "a device", "versions": ["torch 1"]}
    (folder / "environment.jsonl").write_text(json.dumps(made_on) + "\n", encoding="utf-8")
    _log(folder, tasks, random, steps, skill)
    _evaluated(folder, tasks, kinds, random, skill, "")
    if controls:
        _evaluated(folder, tasks, kinds, random, -0.35, "blind")
        _evaluated(folder, tasks, kinds, random, -0.45, "untrained")
    if recipe in ("soft_lora", "rode"):
        put(folder / "routing.json", routing(plan.recipe, [t.name for t in tasks], random, layers))
    if conflict is not None:
        put(folder / "conflict.json", conflicting([t.name for t in tasks], conflict, random))
    return folder


def put(at: Path, value: Any) -> None:
    """Writes JSON."""
    at.parent.mkdir(parents=True, exist_ok=True)
    at.write_text(json.dumps(value, indent=1), encoding="utf-8")


def _log(
    folder: Path, tasks: Sequence[TextTask], random: np.random.Generator, steps: int, skill: float
) -> None:
    lines = []
    for step in range(2, steps + 1, 2):
        losses = {
            task.name: float((3.5 - skill) * math.exp(-step / (60 + 15 * i)) + 0.4 + 0.1 * i)
            + 0.12 * abs(float(random.normal()))
            for i, task in enumerate(tasks)
        }
        line = {
            "step": step, "stage": "joint", "stage_epoch": step / 100, "time_s": step * 0.7,
            "samples": 8 * step, "loss": sum(losses.values()) / len(losses), "task_loss": losses,
            "routing_loss": {}, "learning_rate": 1e-4,
        }  # fmt: skip
        if step % 60 == 0:
            line["validation_loss"] = {name: 1.05 * loss for name, loss in losses.items()}
        lines.append(json.dumps(line))
    (folder / "log.jsonl").write_text("\n".join(lines) + '\n{"step": 9', encoding="utf-8")


def _evaluated(
    folder: Path,
    tasks: Sequence[TextTask],
    kinds: Sequence[Kind],
    random: np.random.Generator,
    skill: float,
    control: str,
) -> None:
    scores = {}
    for task, kind in zip(tasks, kinds, strict=True):
        rows = [
            _row(task, sample, min(max(kind.ease + skill, 0.02), 0.98), random)
            for sample in task.read_samples("test", check_media=False)
        ]
        at = folder / (f"predictions-{control}" if control else "predictions") / "test"
        at.mkdir(parents=True, exist_ok=True)
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (at / f"{task.name}.jsonl").write_text(text, encoding="utf-8")
        statistics = np.array([row["statistics"] for row in rows])
        found = TaskScore.from_statistics(task.metric, statistics, task=task.name, resamples=20)
        scores[task.name] = vars(found)
    cost = {
        "trainable_parameters": 1_840_000, "active_parameters": 153_400_000,
        "total_parameters": 178_100_000, "flops_per_sample": 41.2e9,
        "peak_memory_bytes": 2_310_000_000, "train_time_s": 421.0 + 30 * abs(skill),
        "samples_per_s": 9.4, "generate_samples_per_s": 21.7,
    }  # fmt: skip
    name = f"scores.{control}.json" if control else "scores.json"
    put(folder / name, {"split": "test", "tasks": scores, "cost": cost, "control": control})


def _row(task: TextTask, sample: Any, ease: float, random: np.random.Generator) -> dict[str, Any]:
    answer = sample.answers[0]
    if task.metric.unit == "%":
        said = answer if random.random() < ease else str(random.choice(WORDS))
    else:
        said = str(round(float(answer) * (1 + (1 - ease) * float(random.normal()))))
    return {
        "source": sample.source,
        "question": sample.get_last_user_text(),
        "prediction": said,
        "answers": list(sample.answers),
        "statistics": task.metric.statistics(TextPrediction(text=said), sample.answers).tolist(),
    }


def routing(
    recipe: Recipe, tasks: Sequence[str], random: np.random.Generator, layers: int
) -> dict[str, Any]:
    """Expert use that grows apart with depth."""
    experts = ["rank 4", "rank 8", "rank 16", "rank 32"]
    found = {}
    for layer in range(layers):
        logits = random.normal(size=(len(tasks), len(experts))) * (0.2 + 2 * layer / layers)
        weights = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        use = {task: weights[i].tolist() for i, task in enumerate(tasks)}
        name = f"model.language_model.layers.{layer}.self_attn"
        found[name] = {"experts": experts, "mean_weight": use, "chosen": use}
    return {"layers": found}


def conflicting(tasks: Sequence[str], level: float, random: np.random.Generator) -> dict[str, Any]:
    """Gradient cosines around `get_level`."""
    count = len(tasks)
    maps = []
    for _ in range(5):
        noise = random.normal(size=(count, count)) * 0.25 + level
        cosine = np.clip((noise + noise.T) / 2, -1, 1)
        np.fill_diagonal(cosine, 1.0)
        maps.append(cosine.tolist())
    off = [v for m in maps for i, line in enumerate(m) for j, v in enumerate(line) if i != j]
    return {
        "tasks": list(tasks),
        "groups": [f"layers {6 * i}-{6 * i + 5}" for i in range(5)],
        "cosine": maps,
        "high": (np.mean(maps, axis=0) + 0.1).tolist(),
        "transfer": (random.normal(size=(count, count)) * 0.02 - 0.01).tolist(),
        "within_task": [0.41] * count,
        "negative_share": sum(v < 0 for v in off) / max(len(off), 1),
        "sentence": f"{tasks[0]} and {tasks[-1]} pull against each other in the upper layers.",
    }


def study(folder: Path, kinds: Sequence[Kind] = TASKS, *, seeds: int = 1, samples: int = 12,
          layers: int = 6,
          systems: Sequence[tuple[str, float]] = (("shared_lora", 0.0), ("soft_lora", 0.06)),
          ) -> dict[str, list[Path]]:  # fmt: skip
    """Systems of several seeds over the same data."""
    tasks = data(folder / "data", kinds, samples=samples)
    found: dict[str, list[Path]] = {}
    for recipe, skill in systems:
        # Single-task models are a run for each task.
        parts = (
            [slice(i, i + 1) for i in range(len(kinds))]
            if recipe == "single_task"
            else [slice(None)]
        )
        for seed in range(seeds):
            for number, part in enumerate(parts):
                name = f"{recipe}-{seed}" if len(parts) == 1 else f"{recipe}-{seed}-{number}"
                found.setdefault(recipe, []).append(
                    run(folder / "runs" / name, tasks[part], kinds[part], recipe=recipe,
                        seed=seed, skill=skill, layers=layers,
                        conflict=None if recipe in ("shared_lora", "single_task") else 0.2)
                )  # fmt: skip
    return found


def before(kinds: Sequence[Kind] = TASKS) -> dict[str, Any]:
    """A measurement before training."""
    return conflicting([kind.name for kind in kinds], -0.05, np.random.default_rng(1))


__all__ = ["MANY", "TASKS", "Kind", "before", "data", "put", "run", "study"]
