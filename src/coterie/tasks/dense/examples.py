"""Predictions for a few samples as PNG files, which the report shows."""

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
"""Samples of a split that are written."""
SIDE_PX = 160
"""The longest side of a written image."""
FOLDER, INDEX = "pictures", "pictures.json"
Answer = tuple[DenseSample, Mapping[str, Float[Tensor, "channels *place"]]]
"""A sample, and the output of each task's head for it."""


@torch.no_grad()
def predict_examples(
    model: nn.Module,
    rows: DenseSamples,
    tasks: Sequence[DenseTask],
    *,
    pixels: Callable[[list[Tensor]], Tensor],
) -> Iterable[Answer]:
    """Predict `NUM_EXAMPLES` samples, the same ones for every run on these rows.

    Args:
        model: in eval mode, as `run_inference` leaves it.
        rows: all samples of a split, however few are scored.
        tasks: each of which has a head.
        pixels: makes `pixel_values` of images.
    """
    names = [task.name for task in tasks]
    found = []
    for place in spread_indices(len(rows), NUM_EXAMPLES):
        sample = rows[int(place)]  # one at a time: they may be of several sizes
        said, _ = predict_batch(model, pixels([sample.image]), names, None)
        found.append((sample, {name: each[0] for name, each in said.items()}))
    return found


def save_examples(beside: Path, tasks: Sequence[DenseTask], answers: Iterable[Answer]) -> Path:
    """Write the folder `FOLDER` of PNG files of at most `SIDE_PX` a side; return its index.

    The index, pictures.json, is a list: {"source": ..., "image": a file, "tasks": {name:
    {"truth": a file, or null where nothing is labelled, "predicted": a file}}}.

    Args:
        beside: the folder of the split's predictions.
        tasks: in the order of their numbers in file names.
        answers: of `predict_examples`.
    """
    folder = beside / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    index: list[dict[str, Any]] = []
    for number, (sample, said) in enumerate(answers):
        files = {}
        for place, task in enumerate(tasks):
            truth, answer = task.visualize(said[task.name], sample.labels.get(task.name))
            files[task.name] = {
                "truth": _save_image(folder, f"{number}-{place}-truth.png", truth),
                "predicted": _save_image(folder, f"{number}-{place}-predicted.png", answer),
            }
        image = _save_image(folder, f"{number}.png", sample.image)
        index.append({"source": sample.source, "image": image, "tasks": files})
    return write(folder / INDEX, json.dumps(index, indent=1) + "\n")


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
