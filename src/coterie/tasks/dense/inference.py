"""Inference of dense tasks: metric statistics of every image, and pictures of a few examples."""

import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor, nn

from coterie import distributed
from coterie.graft import observe
from coterie.io import PARTIAL, commit, write
from coterie.metrics.base import MapPrediction
from coterie.optional_imports import import_optional
from coterie.routing.decision import Tape
from coterie.tasks.dense.dataset import DenseSample, DenseSamples, Tasks
from coterie.tasks.dense.task import Output
from coterie.tasks.dense.visualize import Rgb
from coterie.tasks.predictions import PredictionResult

Statistics = Float64[np.ndarray, " statistics"]
StatisticsTable = Float64[np.ndarray, "samples statistics"]
Pixels = Callable[[Sequence[DenseSample]], Tensor]
"""Makes `pixel_values` from samples of one size."""
SIDE_PX = 160
"""Maximum side of a saved image."""
NUM_EXAMPLES = 5
"""Samples of a split that are saved as images."""
Answer = tuple[DenseSample, Mapping[str, Output]]
"""A sample, and each task's head output for it."""


def run_inference(
    model: nn.Module,
    rows: DenseSamples,
    tasks: Tasks,
    *,
    pixels: Pixels,
    batch_size: int,
    on_routing: Callable[[Tape], object] | None = None,
    on_batch_end: Callable[[int], object] = lambda scored: None,
) -> PredictionResult:
    """Run a `MultiTaskVisionModel`, grafted or not, on images; it remains in eval mode.

    Each row has the source and the task's metric's statistics, 0 where there is no label. The model
    is autocast to bfloat16 if any parameter is bfloat16. Images of a batch have one size, and
    `tasks` have heads. Options as in `PredictOptions`. Of several processes, all must call it, and
    each runs a part of the batches.

    Raises ValueError if there are no images, or a task has no label on any image.
    """
    model.eval()
    own: dict[int, tuple[str, dict[str, Statistics | None]]] = {}
    metrics = {task.name: task.make_metric() for task in tasks}
    seconds = 0.0
    for start in distributed.take_share(range(0, len(rows), batch_size)):
        indices = range(start, min(start + batch_size, len(rows)))
        batch = [rows[index] for index in indices]
        images = pixels(batch)
        predictions, took = predict_batch(model, images, list(metrics), on_routing)
        seconds += took
        for place, (index, sample) in enumerate(zip(indices, batch, strict=True)):
            statistics: dict[str, Statistics | None] = {}
            for name, metric in metrics.items():
                label, values = sample.labels.get(name), predictions[name][place]
                prediction = MapPrediction(values=values)
                statistics[name] = None if label is None else metric.statistics(prediction, label)
            own[index] = sample.source, statistics
        on_batch_end(indices.stop)
    parts = distributed.all_gather_object((own, seconds))
    together = {index: each for part, _ in parts for index, each in part.items()}
    found = [together[index] for index in range(len(rows))]
    result = {}
    for name in metrics:
        table = stack_statistics(name, [statistics[name] for _, statistics in found])
        pairs = zip([source for source, _ in found], table.tolist(), strict=True)
        result[name] = [{"source": source, "statistics": row} for source, row in pairs]
    return PredictionResult(result, sum(took for _, took in parts))


@torch.no_grad()
def predict_batch(
    model: nn.Module,
    pictures: Tensor,
    names: list[str],
    on_routing: Callable[[Tape], object] | None = None,
) -> tuple[dict[str, Tensor], float]:
    """Return each task's predictions, float32 on the CPU, and the time in seconds."""
    device, started = next(model.parameters()).device, time.monotonic()
    is_bfloat16 = any(parameter.dtype == torch.bfloat16 for parameter in model.parameters())
    observation: Any = nullcontext() if on_routing is None else observe(model)
    # As in training: autocast reconciles float32 heads and experts with bfloat16 weights.
    with observation as tape, torch.autocast(device.type, torch.bfloat16, enabled=is_bfloat16):
        outputs = model(pixel_values=pictures.to(device), tasks=names).predictions
    # On a GPU this waits for the results.
    found = {name: each.float().cpu() for name, each in outputs.items()}
    seconds = time.monotonic() - started
    if on_routing is not None:
        on_routing(tape)
    return found, seconds


def stack_statistics(name: str, found: Sequence[Statistics | None]) -> StatisticsTable:
    """Stack one row per image. Raises ValueError if no image has a label of task `name`."""
    length = next((len(each) for each in found if each is not None), None)
    if length is None:
        raise ValueError(
            f"none of the {len(found)} images has a label of task {name!r}: nothing can be "
            "scored; give other images, or leave the task out"
        )
    return np.stack([np.zeros(length) if each is None else each for each in found])


def predict_each(
    model: nn.Module, samples: Iterable[DenseSample], tasks: Tasks, *, pixels: Pixels
) -> Iterator[Answer]:
    """Yield samples with the predictions of all tasks, one at a time, as their sizes may differ."""
    names = [task.name for task in tasks]
    for sample in samples:
        predictions, _ = predict_batch(model, pixels([sample]), names)
        yield sample, {name: each[0] for name, each in predictions.items()}


def save_examples(index_file: Path, tasks: Tasks, answers: Iterable[Answer]) -> Path:
    """Write PNGs with sides up to `SIDE_PX` and their index, and return the index file.

    The index is a list: {"source": ..., "image": a file, "tasks": {name:
    {"truth": a file, or null without a label, "predicted": a file}}}. The folder appears whole, in
    the place of an earlier one.
    """
    target = index_file.parent
    folder = target.with_name(target.name + PARTIAL)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    index: list[dict[str, Any]] = []
    for number, (sample, predictions) in enumerate(answers):
        files = {}
        for place, task in enumerate(tasks):
            truth, prediction = task.visualize(predictions[task.name], sample.labels.get(task.name))
            start = folder / f"{number}-{place}"
            files[task.name] = {
                "truth": truth if truth is None else _save_image(f"{start}-truth.png", truth),
                "predicted": _save_image(f"{start}-predicted.png", prediction),
            }
        image = _save_image(f"{folder / str(number)}.png", sample.image)
        index.append({"source": sample.source, "image": image, "tasks": files})
    write(folder / index_file.name, json.dumps(index, indent=1) + "\n")
    shutil.rmtree(target, ignore_errors=True)
    commit(folder, target)
    return index_file


def _save_image(file: str, picture: Rgb) -> str:
    """Save an image and return the file's name without its folder."""
    image = import_optional("PIL.Image", "data").fromarray(picture.permute(1, 2, 0).numpy())
    image.thumbnail((SIDE_PX, SIDE_PX))
    image.save(file)
    return Path(file).name
