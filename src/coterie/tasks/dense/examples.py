"""Predictions for a few samples as PNG files, for the report."""

import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from coterie.data.subset import spread_indices
from coterie.io import write
from coterie.optional_imports import import_optional
from coterie.tasks.dense.dataset import DenseSample, DenseSamples
from coterie.tasks.dense.inference import predict_batch
from coterie.tasks.dense.task import DenseTask

NUM_EXAMPLES = 5
"""Number of example samples per split."""
SIDE_PX = 160
"""Maximum side of a saved image."""
Answer = tuple[DenseSample, Mapping[str, Float[Tensor, "channels *place"]]]
"""A sample, and each task's head output for it."""


@torch.no_grad()
def predict_examples(
    model: nn.Module,
    rows: DenseSamples,
    tasks: Sequence[DenseTask],
    *,
    pixels: Callable[[list[Tensor]], Tensor],
) -> Iterable[Answer]:
    """Predict `NUM_EXAMPLES` samples, the same for every run on these rows.

    Args:
        model: the model, in eval mode.
        rows: all samples of a split, regardless of evaluation limits.
        tasks: tasks with a head.
        pixels: makes `pixel_values` from images.
    """
    names = [task.name for task in tasks]
    found = []
    for place in spread_indices(len(rows), NUM_EXAMPLES):
        sample = rows[int(place)]  # one at a time: sizes may differ
        predictions, _ = predict_batch(model, pixels([sample.image]), names, None)
        found.append((sample, {name: each[0] for name, each in predictions.items()}))
    return found


def save_examples(index_file: Path, tasks: Sequence[DenseTask], answers: Iterable[Answer]) -> Path:
    """Write PNGs with sides up to `SIDE_PX` and their index; return the index file.

    The index is a list: {"source": ..., "image": a file, "tasks": {name:
    {"truth": a file, or null without a label, "predicted": a file}}}.

    Args:
        index_file: `RunDirectory.examples_file`; its folder is emptied first.
        tasks: in the order of their numbers in file names.
        answers: the output of `predict_examples`.
    """
    folder = index_file.parent
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    index: list[dict[str, Any]] = []
    for number, (sample, predictions) in enumerate(answers):
        files = {}
        for place, task in enumerate(tasks):
            truth, prediction = task.visualize(predictions[task.name], sample.labels.get(task.name))
            files[task.name] = {
                "truth": _save_image(folder, f"{number}-{place}-truth.png", truth),
                "predicted": _save_image(folder, f"{number}-{place}-predicted.png", prediction),
            }
        image = _save_image(folder, f"{number}.png", sample.image)
        index.append({"source": sample.source, "image": image, "tasks": files})
    return write(index_file, json.dumps(index, indent=1) + "\n")


def _save_image(
    folder: Path, name: str, picture: UInt8[Tensor, "3 height breadth"] | None
) -> str | None:
    """Save an image and return the file's name; None if there is no image."""
    if picture is None:
        return None
    image = import_optional("PIL.Image", "data").fromarray(picture.permute(1, 2, 0).numpy())
    image.thumbnail((SIDE_PX, SIDE_PX))
    image.save(folder / name)
    return name
