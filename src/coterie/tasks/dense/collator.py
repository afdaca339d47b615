"""Pictures to batches: normalised pixels, and the labels of each task."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float32, Shaped, UInt8
from torch import Tensor

from coterie.data.dataset import BadRow
from coterie.tasks.dense.dataset import DenseSample
from coterie.tasks.dense.task import DenseTask

MEAN = (0.485, 0.456, 0.406)
"""Of ImageNet's red, green and blue, which most backbones are trained with."""
STD = (0.229, 0.224, 0.225)


class DenseCollator:
    """Makes batches of samples; also what a trained model's inputs come from.

    Attributes:
        skipped: nothing: no picture is too long.
    """

    def __init__(
        self,
        tasks: Sequence[DenseTask],
        *,
        mean: Sequence[float] = MEAN,
        std: Sequence[float] = STD,
    ) -> None:
        """
        Args:
            tasks: what samples have labels of.
            mean, std: of each channel, for pixels from 0 to 1.
        """
        self.tasks = tuple(tasks)
        self.mean, self.std = tuple(mean), tuple(std)
        self.skipped: list[BadRow] = []

    @classmethod
    def from_pretrained(cls, base: str, tasks: Sequence[DenseTask]) -> "DenseCollator":
        """With the numbers of a model's preprocessor_config.json, or ImageNet's without one."""
        from transformers.image_processing_base import ImageProcessingMixin

        try:
            said, _ = ImageProcessingMixin.get_image_processor_dict(base)
        except OSError:
            return cls(tasks)
        if not said.get("do_normalize", True):
            return cls(tasks, mean=(0.0,) * 3, std=(1.0,) * 3)
        return cls(tasks, mean=said.get("image_mean") or MEAN, std=said.get("image_std") or STD)

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes preprocessor_config.json, by which `of` and transformers make the same pixels."""
        said = {
            "image_processor_type": "ViTImageProcessor",
            "do_resize": False,
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": True,
            "image_mean": self.mean,
            "image_std": self.std,
        }
        text = json.dumps(said, indent=1) + "\n"
        (Path(folder) / "preprocessor_config.json").write_text(text, encoding="utf-8")

    def __call__(self, samples: Sequence[DenseSample]) -> dict[str, Any]:
        """A batch.

        `pixel_values`, see `pixels`; `labels`, by the task's name, [batch, *label], unknown where
        a sample has none; `known`, by the same names, bool [batch]: whether anything is. Tasks
        without a label in the batch are not among them.

        Raises ValueError if the samples differ in size.
        """
        labels = {
            task.name: stack_labels([sample.labels.get(task.name) for sample in samples], task)
            for task in self.tasks
            if any(task.name in sample.labels for sample in samples)
        }
        return {
            "pixel_values": self.normalize_images([sample.image for sample in samples]),
            "labels": labels,
            "known": {
                task.name: find_labelled_images(labels[task.name], task)
                for task in self.tasks
                if task.name in labels
            },
        }

    def normalize_images(
        self, images: Sequence[UInt8[Tensor, "channels height breadth"]]
    ) -> Float32[Tensor, "batch channels height breadth"]:
        """Normalised. Raises ValueError if the images differ in size."""
        sizes = sorted({tuple(image.shape[-2:]) for image in images})
        if len(sizes) > 1:
            some = " and ".join(f"{height} x {breadth}" for height, breadth in sizes[:2])
            raise ValueError(
                f"pictures of {some} cannot be in one batch: give all one size, by Vision(size="
                "(height, breadth)), or cut windows of one size out of them, by Vision(augment="
                "Augment(crop=(height, breadth)))"
            )
        mean, std = (torch.tensor(each)[:, None, None] for each in (self.mean, self.std))
        return (torch.stack(list(images)).float() / 255 - mean) / std


def stack_labels(
    labels: Sequence[Shaped[Tensor, "*label"] | None], task: DenseTask
) -> Shaped[Tensor, "batch *label"]:
    """Labels of one task, one at least, unknown where there is none."""
    some = next(label for label in labels if label is not None)
    none = some.clone().fill_(task.ignore_value)
    return torch.stack([none if label is None else label for label in labels])


def find_labelled_images(
    label: Shaped[Tensor, "batch *label"], task: DenseTask
) -> Bool[Tensor, " batch"]:
    """Of which pictures anything is known."""
    places = ~label.isnan() if label.is_floating_point() else label != task.ignore_value
    return places.flatten(1).any(1)
