"""`VisionConfig`: configuration of the multi-task model and of image preprocessing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import torch

from coterie import serialization
from coterie.data.subset import spread_indices
from coterie.encoding.fusion import Fusion
from coterie.tasks.dense.augment import Augment, CropWindow
from coterie.tasks.dense.dataset import DenseSample, DenseSamples, Tasks
from coterie.tasks.dense.resize import resize_sample
from coterie.tasks.dense.sensor import IMAGE, Sensor, check_withheld

if TYPE_CHECKING:
    from coterie.models.multitask_vision.modeling import MultiTaskVisionModel


@dataclass(frozen=True, kw_only=True)
class VisionConfig:
    """The configuration of a run on dense tasks in addition to its recipe.

    Attributes:
        head: "linear" (Mod-Squad's code) or "convolutions" (M3ViT); see
            `coterie.models.multitask_vision.heads`.
        task_embedding: whether a task embedding is added to the tokens before every block.
        embedding_std: initial standard deviation of task embeddings. 1 in Mod-Squad's code, which
            trains from scratch.
        shared_layers: number of first blocks that run once for all tasks, without experts.
        drop_path: probability of dropping a residual branch per image and task, below 1, for
            backbones with a `drop_path_rate` (DINOv2, DINOv3, Swin); 0.1 in Mod-Squad's code. None
            for the backbone's configuration.
        pretrained: whether to load the backbone's weights, or initialise them from the run's seed.
        size: height and breadth to which images are resized first; None for no resizing.
        augment: random augmentation in training; None for none.
        fusion: what joins several sensors; None for one sensor.
        drop_sensors: probability that a sample lacks a sensor in training, each by itself, 0 to
            below 1; one always remains (modality dropout, after ModDrop, arXiv:1501.00102).
        without: names of sensors that the model does not get in evaluation.
    """

    head: Literal["linear", "convolutions"] = "linear"
    task_embedding: bool = True
    embedding_std: float = 0.02
    shared_layers: int = 0
    drop_path: float | None = None
    pretrained: bool = True
    size: tuple[int, int] | None = None
    augment: Augment | None = field(default_factory=Augment)
    fusion: Fusion | None = None
    drop_sensors: float = 0.0
    without: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.size is not None and min(self.size) < 1:
            raise ValueError(f"VisionConfig(size={self.size}): give at least 1 x 1 pixels, or None")
        if self.drop_path is not None and not 0 <= self.drop_path < 1:
            raise ValueError(
                f"VisionConfig(drop_path={self.drop_path}): give 0 or more, below 1, or None"
            )
        if not 0 <= self.drop_sensors < 1:
            raise ValueError(
                f"VisionConfig(drop_sensors={self.drop_sensors}): give 0 or more, below 1"
            )

    def check_sensors(self, sensors: Sequence[Sensor]) -> None:
        """Raise ValueError for sensors that do not fit the configuration.

        Several need a fusion, one alone cannot be dropped, and `without` names some of them.
        """
        if len(sensors) == 1 and self.drop_sensors:
            raise ValueError(
                f"vision.drop_sensors={self.drop_sensors}, and the data set has the input "
                f"{sensors[0].name} alone, which always remains: give further inputs, or leave "
                "drop_sensors out"
            )
        if len(sensors) > 1 and self.fusion is None:
            names = " and ".join(sensor.name for sensor in sensors)
            raise ValueError(
                f"the data set has the inputs {names}, and vision.fusion is None: set what joins "
                "them, such as VisionConfig(fusion=U3MFusion()), or in a file of tasks "
                "`fusion: {is: coterie.models:U3MFusion}`"
            )
        check_withheld(self.without, sensors, "vision.without")

    def load_model(
        self, backbone: str, tasks: Tasks, sensors: Sequence[Sensor] = (IMAGE,)
    ) -> "MultiTaskVisionModel":
        """Load a backbone for each sensor, or one for all.

        Heads, task embeddings and fusion are new, of torch's random state.
        Raises ValueError if `check_sensors` does.
        """
        self.check_sensors(sensors)
        extra: dict[str, Any] = {}
        if self.fusion is not None or not all(sensor.is_image for sensor in sensors):
            extra["sensors"] = [sensor.describe() for sensor in sensors]
        if self.fusion is not None:
            extra["fusion"] = serialization.dump(self.fusion)
        # Heavy: transformers' models.
        from coterie.models.multitask_vision.modeling import MultiTaskVisionModel

        return MultiTaskVisionModel.from_backbone(
            backbone, tasks, pretrained=self.pretrained, drop_path=self.drop_path, head=self.head,
            task_embedding=self.task_embedding, embedding_std=self.embedding_std,
            shared_layers=self.shared_layers, **extra,
        )  # fmt: skip

    def transform_for_training(
        self, sample: DenseSample, tasks: Tasks, seed: int, sensors: Sequence[Sensor] = (IMAGE,)
    ) -> DenseSample:
        """Resize and augment a sample with the labels of `tasks`, with a seed of 0 to 2^63.

        Raises ValueError for a label or map of a wrong shape or type, or a missing sensor.
        """
        generator, formats = torch.Generator().manual_seed(seed), list_formats(tasks, sensors)
        sample.check(tasks, sensors)
        sample = self._resize(sample, formats)
        if self.augment is not None:
            sample = self.augment.apply(sample, formats, generator)
        return self._drop(finish(sample, formats), sensors, generator)

    def transform_for_evaluation(
        self, sample: DenseSample, tasks: Tasks, sensors: Sequence[Sensor] = (IMAGE,)
    ) -> DenseSample:
        """Resize a sample for evaluation, and crop its centre if training crops windows.

        Raises ValueError for a label or map of a wrong shape or type, or a missing sensor.
        """
        formats = list_formats(tasks, sensors)
        sample.check(tasks, sensors)
        sample = self._resize(sample, formats)
        if self.augment is not None and self.augment.crop is not None:
            sample = CropWindow(window=self.augment.crop).crop(sample, formats)
        return finish(sample, formats).withhold(self.without)

    def _drop(
        self, sample: DenseSample, sensors: Sequence[Sensor], generator: torch.Generator
    ) -> DenseSample:
        """Withhold each sensor of a sample with a probability of `drop_sensors`, but not the last.

        The one that remains when all would go is as random as the others.
        """
        if not self.drop_sensors:
            return sample
        names = [sensor.name for sensor in sensors if sample.has(sensor)]
        numbers = torch.rand(len(names), generator=generator).tolist()
        kept = names[numbers.index(max(numbers))]
        pairs = zip(names, numbers, strict=True)
        return sample.withhold(
            name for name, number in pairs if number < self.drop_sensors and name != kept
        )

    def _resize(self, sample: DenseSample, tasks: Tasks) -> DenseSample:
        return sample if self.size is None else resize_sample(sample, tasks, self.size)


def list_formats(tasks: Tasks, sensors: Sequence[Sensor]) -> Tasks:
    """List the tasks whose formats the maps of a sample have: its labels', and its sensors'."""
    return (*tasks, *(sensor.task for sensor in sensors if not sensor.is_image))


def finish(sample: DenseSample, formats: Tasks) -> DenseSample:
    """Return the sample with the maps that are trained on and scored."""
    return sample.transform(sample.image, formats, lambda label, task: task.finish_label(label))


class ResizedDataset(DenseSamples):
    """A data set with the preprocessing of evaluation; a fixed random subset, with a limit."""

    def __init__(
        self,
        rows: DenseSamples,
        tasks: Tasks,
        vision: VisionConfig,
        *,
        sensors: Sequence[Sensor] = (IMAGE,),
        limit: int | None = None,
    ) -> None:
        self.dataset, self.tasks, self.vision = rows, tuple(tasks), vision
        self.sensors = tuple(sensors)
        self.bad_rows, self.indices = rows.bad_rows, spread_indices(len(rows), limit)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> DenseSample:
        sample = self.dataset[int(self.indices[index])]
        return self.vision.transform_for_evaluation(sample, self.tasks, self.sensors)

    def compute_digest(self, index: int) -> str:
        """Return the digest of the sample as loaded, independent of `vision`."""
        return self.dataset.compute_digest(int(self.indices[index]))

    def measure_image(self, index: int) -> str:
        return self.dataset.measure_image(int(self.indices[index]))

    def compute_image_digest(self, index: int) -> str:
        return self.dataset.compute_image_digest(int(self.indices[index]))
