"""`VisionConfig`: configuration of the multi-task model and of image preprocessing."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import torch

from coterie.data.subset import spread_indices
from coterie.tasks.dense.augment import Augment, CropWindow
from coterie.tasks.dense.dataset import DenseSample, DenseSamples, Tasks
from coterie.tasks.dense.resize import resize_sample

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
    """

    head: Literal["linear", "convolutions"] = "linear"
    task_embedding: bool = True
    embedding_std: float = 0.02
    shared_layers: int = 0
    drop_path: float | None = None
    pretrained: bool = True
    size: tuple[int, int] | None = None
    augment: Augment | None = field(default_factory=Augment)

    def __post_init__(self) -> None:
        if self.size is not None and min(self.size) < 1:
            raise ValueError(f"VisionConfig(size={self.size}): give at least 1 x 1 pixels, or None")
        if self.drop_path is not None and not 0 <= self.drop_path < 1:
            raise ValueError(
                f"VisionConfig(drop_path={self.drop_path}): give 0 or more, below 1, or None"
            )

    def load_model(self, backbone: str, tasks: Tasks) -> "MultiTaskVisionModel":
        """Load a backbone, with new heads and task embeddings of torch's random state."""
        # Heavy: transformers' models.
        from coterie.models.multitask_vision.modeling import MultiTaskVisionModel

        return MultiTaskVisionModel.from_backbone(
            backbone, tasks, pretrained=self.pretrained, drop_path=self.drop_path, head=self.head,
            task_embedding=self.task_embedding, embedding_std=self.embedding_std,
            shared_layers=self.shared_layers,
        )  # fmt: skip

    def transform_for_training(self, sample: DenseSample, tasks: Tasks, seed: int) -> DenseSample:
        """Resize and augment a sample with the labels of `tasks`, with a seed of 0 to 2^63.

        Raises ValueError for a label of a wrong shape or type.
        """
        sample.check(tasks)
        sample = self._resize(sample, tasks)
        if self.augment is not None:
            sample = self.augment.apply(sample, tasks, torch.Generator().manual_seed(seed))
        return sample.transform(sample.image, tasks, lambda label, task: task.finish_label(label))

    def transform_for_evaluation(self, sample: DenseSample, tasks: Tasks) -> DenseSample:
        """Resize a sample for evaluation, and crop its centre if training crops windows.

        Raises ValueError for a label of a wrong shape or type.
        """
        sample.check(tasks)
        sample = self._resize(sample, tasks)
        if self.augment is not None and self.augment.crop is not None:
            sample = CropWindow(window=self.augment.crop).crop(sample, tasks)
        return sample.transform(sample.image, tasks, lambda label, task: task.finish_label(label))

    def _resize(self, sample: DenseSample, tasks: Tasks) -> DenseSample:
        return sample if self.size is None else resize_sample(sample, tasks, self.size)


class ResizedDataset(DenseSamples):
    """A data set with the preprocessing of evaluation; a fixed random subset, with a limit."""

    def __init__(
        self, rows: DenseSamples, tasks: Tasks, vision: VisionConfig, *, limit: int | None = None
    ) -> None:
        self.dataset, self.tasks, self.vision = rows, tuple(tasks), vision
        self.bad_rows, self.indices = rows.bad_rows, spread_indices(len(rows), limit)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> DenseSample:
        sample = self.dataset[int(self.indices[index])]
        return self.vision.transform_for_evaluation(sample, self.tasks)

    def compute_digest(self, index: int) -> str:
        """Return the digest of the sample as loaded, independent of `vision`."""
        return self.dataset.compute_digest(int(self.indices[index]))

    def measure_image(self, index: int) -> str:
        return self.dataset.measure_image(int(self.indices[index]))

    def compute_image_digest(self, index: int) -> str:
        return self.dataset.compute_image_digest(int(self.indices[index]))
