"""Inference of dense tasks: metric statistics of every image, one forward pass per batch."""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor, nn

from coterie.graft import observe
from coterie.metrics.prediction import MapPrediction
from coterie.routing.decision import Tape
from coterie.tasks.dense.collator import DenseCollator
from coterie.tasks.dense.dataset import DenseSamples
from coterie.tasks.dense.task import DenseTask
from coterie.tasks.predictions import ForwardPass, Prediction

Statistics = Float64[np.ndarray, " statistics"]


@dataclass(frozen=True, kw_only=True)
class InferenceResult:
    """The statistics of some images.

    Attributes:
        sources: the images' names, in order.
        statistics: task -> its metric's statistics, one row per image; 0 for unlabelled images.
        seconds: time of the model, without reading and scoring.
    """

    sources: tuple[str, ...]
    statistics: Mapping[str, Float64[np.ndarray, "samples statistics"]]
    seconds: float


@torch.no_grad()
def run_inference(
    model: nn.Module,
    rows: DenseSamples,
    tasks: Sequence[DenseTask],
    *,
    pixels: Callable[[list[Tensor]], Tensor],
    batch_size: int,
    on_routing: Callable[[Tape], object] | None = None,
    on_batch_end: Callable[[int], object] = lambda scored: None,
) -> InferenceResult:
    """Run a `MultiTaskVisionModel`, grafted or not, on images; it remains in eval mode.

    Args:
        model: the model, on any device; autocast to bfloat16 if any parameter is bfloat16.
        rows: the images, of equal size within a batch, and their labels.
        tasks: the tasks to score, which have heads.
        pixels: makes `pixel_values` from images, each uint8 [channels, height, width].
        batch_size: images per forward pass, at least 1.
        on_routing: called with the routing of each pass; None for a model without mixtures.
        on_batch_end: called after each batch with the number of images done.

    Raises ValueError if there are no images, or a task has no label on any image.
    """
    model.eval()
    sources: list[str] = []
    found: dict[str, list[Statistics | None]] = {task.name: [] for task in tasks}
    metrics = {task.name: task.make_metric() for task in tasks}
    seconds = 0.0
    for start in range(0, len(rows), batch_size):
        batch = [rows[index] for index in range(start, min(start + batch_size, len(rows)))]
        predictions, took = predict_batch(model, pixels([sample.image for sample in batch]),
                                      list(found), on_routing)  # fmt: skip
        seconds += took
        for place, sample in enumerate(batch):
            sources.append(sample.source)
            for name, metric in metrics.items():
                label = sample.labels.get(name)
                prediction = predictions[name][place]
                found[name].append(
                    None
                    if label is None
                    else metric.statistics(MapPrediction(values=prediction), label)
                )
        on_batch_end(len(sources))
    statistics = {name: stack_statistics(name, each) for name, each in found.items()}
    return InferenceResult(sources=tuple(sources), statistics=statistics, seconds=seconds)


def predict_batch(
    model: nn.Module,
    pictures: Tensor,
    names: list[str],
    on_routing: Callable[[Tape], object] | None,
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


def stack_statistics(
    name: str, found: Sequence[Statistics | None]
) -> Float64[np.ndarray, "samples statistics"]:
    """Stack one row per image. Raises ValueError if no image has a label of task `name`."""
    length = next((len(each) for each in found if each is not None), None)
    if length is None:
        raise ValueError(
            f"none of the {len(found)} images has a label of task {name!r}: nothing can be "
            "scored; give other images, or leave the task out"
        )
    return np.stack([np.zeros(length) if each is None else each for each in found])


def make_rows(
    sources: Sequence[str], statistics: Float64[np.ndarray, "samples statistics"]
) -> list[Prediction]:
    """Make the rows of a task's predictions, which store only statistics."""
    return [
        {"source": source, "statistics": row}
        for source, row in zip(sources, statistics.tolist(), strict=True)
    ]


def compute_samples_digest(rows: DenseSamples) -> str:
    """Compute the SHA-256 of all samples' digests, in order."""
    digest = hashlib.sha256()
    for index in range(len(rows)):
        digest.update(rows.compute_digest(index).encode())
    return digest.hexdigest()


def make_forward_pass(
    model: nn.Module,
    collator: DenseCollator,
    rows: DenseSamples,
    tasks: Sequence[DenseTask],
    num_samples: int,
) -> ForwardPass:
    """Prepare a pass of all tasks over the first images that have the first one's size."""
    model.requires_grad_(False)  # torch's FLOP counter fails on tensors that require gradients
    images = [rows[index].image for index in range(min(num_samples, len(rows)))]
    images = [image for image in images if image.shape == images[0].shape]
    batch, names = collator.normalize_images(images), [task.name for task in tasks]
    return ForwardPass(
        run=lambda: predict_batch(model, batch, names, None),
        num_predictions=len(images) * len(names),
    )
