"""`DenseCollator`: images and labels to batches of normalised pixels and labels per task."""

import json
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float32, Shaped
from torch import Tensor

from coterie.tasks.dense.dataset import DenseSample, Image
from coterie.tasks.dense.sensor import IMAGE, Sensor
from coterie.tasks.dense.task import DenseTask

MEAN = (0.485, 0.456, 0.406)
"""Mean of ImageNet's RGB channels, which most backbones are trained with."""
STD = (0.229, 0.224, 0.225)


@dataclass(eq=False)
class DenseCollator:
    """A collator of dense samples; it also preprocesses the inputs of trained models.

    Attributes:
        tasks: the tasks of the labels.
        mean, std: per channel, for pixels from 0 to 1.
        sensors: the inputs of the model, in the order of their channels.
    """

    tasks: Sequence[DenseTask]
    _: KW_ONLY
    mean: Sequence[float] = MEAN
    std: Sequence[float] = STD
    sensors: Sequence[Sensor] = (IMAGE,)

    @classmethod
    def from_pretrained(
        cls, base: str, tasks: Sequence[DenseTask], sensors: Sequence[Sensor] = (IMAGE,)
    ) -> "DenseCollator":
        """Make a collator with a model's preprocessor_config.json, or ImageNet's values."""
        from transformers.image_processing_base import ImageProcessingMixin

        try:
            config, _ = ImageProcessingMixin.get_image_processor_dict(base)
        except OSError:
            return cls(tasks, sensors=sensors)
        if not config.get("do_normalize", True):
            return cls(tasks, mean=(0.0,) * 3, std=(1.0,) * 3, sensors=sensors)
        mean, std = config.get("image_mean") or MEAN, config.get("image_std") or STD
        return cls(tasks, mean=tuple(mean), std=tuple(std), sensors=sensors)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write preprocessor_config.json, for `from_pretrained` and transformers."""
        config = {
            "image_processor_type": "ViTImageProcessor",
            "do_resize": False, "do_rescale": True, "rescale_factor": 1 / 255,
            "do_normalize": True, "image_mean": self.mean, "image_std": self.std
        }  # fmt: skip
        text = json.dumps(config, indent=1) + "\n"
        (Path(folder) / "preprocessor_config.json").write_text(text, encoding="utf-8")

    def __call__(self, samples: Sequence[DenseSample]) -> dict[str, Any]:
        """Make a batch.

        `pixel_values`, see `normalize_inputs`; `labels`: task -> [batch, *label], unknown where a
        sample has none; `known`: task -> bool [batch], whether an image has any label. Tasks
        without a label in the batch are omitted.

        Raises ValueError if the samples differ in size.
        """
        labels, known = {}, {}
        for task in self.tasks:
            found = [sample.labels.get(task.name) for sample in samples]
            example = next((label for label in found if label is not None), None)
            if example is not None:
                unknown = torch.full_like(example, task.ignore_value)
                stacked = torch.stack([unknown if label is None else label for label in found])
                labels[task.name] = stacked
                known[task.name] = find_labelled_images(stacked, task)
        inputs = self.normalize_inputs(samples)
        return {"pixel_values": inputs, "labels": labels, "known": known}

    def normalize_inputs(
        self, samples: Sequence[DenseSample]
    ) -> Float32[Tensor, "batch channels height breadth"]:
        """Normalize the maps of all sensors, NaN where unknown: throughout a missing sensor's.

        Raises ValueError if the samples differ in size, or one has no sensor.
        """
        images = self.normalize_images([sample.image for sample in samples])
        none = next((s for s in samples if not any(map(s.has, self.sensors))), None)
        if none is not None:
            names = ", ".join(sensor.name for sensor in self.sensors)
            raise ValueError(f"{none.source} has none of the inputs {names}: give at least one")
        parts = []
        for sensor in self.sensors:
            missing = torch.full((sensor.channels, *images.shape[-2:]), torch.nan)
            maps = [
                missing if not sample.has(sensor)
                else image if sensor.is_image
                else sensor.normalize(sample.sensors[sensor.name])
                for sample, image in zip(samples, images, strict=True)
            ]  # fmt: skip
            parts.append(torch.stack(maps))
        return torch.cat(parts, 1)

    def normalize_images(
        self, images: Sequence[Image]
    ) -> Float32[Tensor, "batch channels height breadth"]:
        """Normalize images. Raises ValueError if they differ in size."""
        sizes = sorted({tuple(image.shape[-2:]) for image in images})
        if len(sizes) > 1:
            some = " and ".join(f"{height} x {breadth}" for height, breadth in sizes[:2])
            raise ValueError(
                f"pictures of {some} cannot be in one batch: give all one size, by "
                "VisionConfig(size=(height, breadth)), or cut windows of one size out of them, by "
                "VisionConfig(augment=Augment(crop=(height, breadth)))"
            )
        mean, std = (torch.tensor(each)[:, None, None] for each in (self.mean, self.std))
        return (torch.stack(list(images)).float() / 255 - mean) / std


def find_labelled_images(
    label: Shaped[Tensor, "batch *label"], task: DenseTask
) -> Bool[Tensor, " batch"]:
    """Return which images have a label at any pixel."""
    places = ~label.isnan() if label.is_floating_point() else label != task.ignore_value
    return places.flatten(1).any(1)
