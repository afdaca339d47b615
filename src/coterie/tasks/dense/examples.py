"""Predictions for a few samples as PNG files, for the report."""

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from coterie.data.subset import spread_indices
from coterie.io import write
from coterie.optional_imports import import_optional
from coterie.tasks.dense.dataset import DenseSample, DenseSamples
from coterie.tasks.dense.inference import Pixels, predict_batch
from coterie.tasks.dense.task import DenseTask
from coterie.tasks.dense.visualize import Rgb

NUM_EXAMPLES = 5
"""Number of example samples per split."""
SIDE_PX = 160
"""Maximum side of a saved image."""
Answer = tuple[DenseSample, Mapping[str, Float[Tensor, "channels *place"]]]
"""A sample, and each task's head output for it."""


@torch.no_grad()
def predict_examples(
    model: nn.Module, rows: DenseSamples, tasks: Sequence[DenseTask], pixels: Pixels
) -> Iterable[Answer]:
    """Predict `NUM_EXAMPLES` samples, the same for every run on these rows, in eval mode."""
    names = [task.name for task in tasks]
    for place in spread_indices(len(rows), NUM_EXAMPLES):
        sample = rows[int(place)]  # one at a time: sizes may differ
        predictions, _ = predict_batch(model, pixels([sample.image]), names)
        yield sample, {name: each[0] for name, each in predictions.items()}


def save_examples(index_file: Path, tasks: Sequence[DenseTask], answers: Iterable[Answer]) -> Path:
    """Write PNGs with sides up to `SIDE_PX` and their index, and return the index file.

    The index is a list: {"source": ..., "image": a file, "tasks": {name:
    {"truth": a file, or null without a label, "predicted": a file}}}. Its folder is emptied first.
    """
    folder = index_file.parent
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
    return write(index_file, json.dumps(index, indent=1) + "\n")


def _save_image(file: str, picture: Rgb) -> str:
    """Save an image and return the file's name without its folder."""
    image = import_optional("PIL.Image", "data").fromarray(picture.permute(1, 2, 0).numpy())
    image.thumbnail((SIDE_PX, SIDE_PX))
    image.save(file)
    return Path(file).name
