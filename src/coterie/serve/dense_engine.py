"""`DenseEngine`: a loaded run that predicts maps of pictures, of all its tasks in one pass."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from coterie.data.sample import MediaFile
from coterie.io import explain_write_errors
from coterie.models.loading import LoadedModel
from coterie.optional_imports import import_optional
from coterie.tasks.dense.dataset import DenseSample
from coterie.tasks.dense.inference import predict_batch
from coterie.tasks.dense.sensor import IMAGE
from coterie.tasks.dense.task import DenseTask, Output
from coterie.tasks.dense.task_set import DenseTasks
from coterie.tasks.dense.visualize import Rgb
from coterie.train.run import Run

Prediction = tuple[DenseSample, Mapping[str, Output]]
"""A picture as the model saw it, and the output of each task's head for it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class DenseEngine:
    """A loaded run that predicts maps of pictures.

    Attributes:
        loaded: the model, and the collator of its pictures.
        task_set: the run's tasks, and how pictures are resized.
        batch_size: pictures of one size that are predicted at a time.
    """

    loaded: LoadedModel
    task_set: DenseTasks
    batch_size: int = 16

    @classmethod
    def from_run(
        cls,
        folder: Run | str | Path,
        *,
        device: str | torch.device | None = None,
        batch_size: int = 16,
    ) -> "DenseEngine":
        """Load a run.

        Raises ValueError if it is not finished, its answers are text, or it needs another sensor
        than a picture's.
        """
        run = folder if isinstance(folder, Run) else Run.read(folder)
        tasks = run.config.tasks
        if not isinstance(tasks, DenseTasks):
            raise ValueError(
                f"{run.folder}: its tasks are answered in text: ask questions, or give --rows"
            )
        needed = [each.name for each in tasks.dataset.sensors if not each.optional]
        if needed != [IMAGE.name]:
            raise ValueError(
                f"{run.folder}: a picture is all that it would get, and its inputs are "
                f"{', '.join(needed)}: train with those beside the image as optional, or score it "
                "on rows by `coterie evaluate`"
            )
        return cls(loaded=run.load(device=device), task_set=tasks, batch_size=batch_size)

    def select_tasks(self, name: str | None = None) -> tuple[DenseTask, ...]:
        """Return a task by its name, None for all. Raises ValueError if there is none."""
        return self.task_set.dataset.tasks if name is None else (self.task_set.get_task(name),)

    def predict(
        self, pictures: Iterable[MediaFile], tasks: Sequence[DenseTask] | None = None
    ) -> Iterator[Prediction]:
        """Yield the predictions of each picture, in their order; neighbours of a size at a time.

        Pictures are resized as in evaluation. Raises ValueError for one that cannot be read.
        """
        chosen = self.select_tasks() if tasks is None else tuple(tasks)
        names = [task.name for task in chosen]
        samples = map(self._read, pictures)
        for _, group in groupby(samples, key=lambda sample: sample.size):
            while batch := list(islice(group, self.batch_size)):
                images = self.loaded.processor.normalize_inputs(batch)
                found, _ = predict_batch(self.loaded.model, images, names)
                for place, sample in enumerate(batch):
                    yield sample, {name: found[name][place] for name in names}

    def _read(self, picture: MediaFile) -> DenseSample:
        sensors = self.task_set.dataset.sensors
        pixels = np.asarray(picture.load())
        image = torch.from_numpy(pixels.copy()).permute(2, 0, 1)
        sample = DenseSample(image=image, labels={}, source=picture.name)
        return self.task_set.vision.transform_for_evaluation(sample, (), sensors)


def make_picture(pixels: Rgb) -> Any:
    """Return a picture of Pillow. Raises ValueError if the extra `data` is not installed."""
    image_module: Any = import_optional("PIL.Image", "data")
    return image_module.fromarray(pixels.permute(1, 2, 0).numpy())


def save_maps(
    tasks: Iterable[DenseTask], outputs: Mapping[str, Output], folder: Path, stem: str
) -> list[Path]:
    """Write each task's map as numbers, `stem`-task.npy, and as a picture, `stem`-task.png.

    The numbers are the head's output, float32 [channels, height, breadth]. Raises OSError.
    """
    written = []
    for task in tasks:
        place = folder / f"{stem}-{task.name}"
        picture = make_picture(task.visualize(outputs[task.name], None).prediction)
        with explain_write_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            np.save(f"{place}.npy", outputs[task.name].numpy())
            picture.save(f"{place}.png")
        written += [Path(f"{place}.npy"), Path(f"{place}.png")]
    return written
