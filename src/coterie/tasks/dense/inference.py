"""What the metrics of all tasks say of each picture, with one pass of the model a batch."""

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
from coterie.tasks.dense.dataset import DenseSamples
from coterie.tasks.dense.task import DenseTask

Statistics = Float64[np.ndarray, " statistics"]


@dataclass(frozen=True, kw_only=True)
class InferenceResult:
    """What was made of some pictures.

    Attributes:
        sources: what each is called, in their order.
        statistics: task -> what its metric adds up, a row a picture; 0 where a picture has no
            label of the task.
        seconds: that the model took; reading and scoring are not in it.
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
    """Scores a `MultiTaskVision`, grafted or not, on pictures; it is in eval mode from then on.

    Args:
        model: where its parameters are, it runs; in bfloat16 where some of them are.
        rows: the pictures, of one size within a batch, with labels of the size.
        tasks: what is scored, each of which has a head.
        pixels: images, each uint8 [channels, height, breadth] -> what the model reads.
        batch_size: pictures a pass, at least 1.
        told: given what the mixtures decide in each pass; None for a model without.
        tick: told after each batch how many pictures have been scored.

    Raises ValueError if there are no pictures, or none has a label of some task.
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
                said = predictions[name][place]
                found[name].append(
                    None if label is None else metric.statistics(MapPrediction(values=said), label)
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
    """Each task's predictions, float32 and in main memory, and the seconds that they took."""
    device, started = next(model.parameters()).device, time.monotonic()
    low = any(parameter.dtype == torch.bfloat16 for parameter in model.parameters())
    watching: Any = nullcontext() if on_routing is None else observe(model)
    # As in training: autocast brings float32 heads and experts together with bfloat16 weights.
    with watching as tape, torch.autocast(device.type, torch.bfloat16, enabled=low):
        said = model(pixel_values=pictures.to(device), tasks=names).predictions
    # On a GPU this waits until they are there.
    found = {name: each.float().cpu() for name, each in said.items()}
    seconds = time.monotonic() - started
    if on_routing is not None:
        on_routing(tape)
    return found, seconds


def stack_statistics(
    name: str, found: Sequence[Statistics | None]
) -> Float64[np.ndarray, "samples statistics"]:
    """A row a picture. Raises ValueError if there is no label of the task that `name` names."""
    length = next((len(each) for each in found if each is not None), None)
    if length is None:
        raise ValueError(
            f"none of the {len(found)} pictures has a label of task {name!r}: nothing can be "
            "scored; give other pictures, or leave the task out"
        )
    return np.stack([np.zeros(length) if each is None else each for each in found])
