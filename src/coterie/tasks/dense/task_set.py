"""`DenseTasks`: tasks of a dense data set, with a shared vision backbone and a head each."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor, nn

from coterie import serialization
from coterie.data.file_digest import compute_rows_digest
from coterie.data.subset import SPLIT_PARTS
from coterie.devices import choose_device
from coterie.families.multitask_vit import MultiTaskViT
from coterie.metrics.base import DenseMetric
from coterie.models.base_config import load_config, resolve_base
from coterie.models.loading import LoadedModel, set_attention
from coterie.models.options import ModelOptions
from coterie.plugins import VISION_MODELS
from coterie.recipe import Recipe
from coterie.tasks.dense import inference
from coterie.tasks.dense.collator import DenseCollator
from coterie.tasks.dense.dataset import DenseDataset, DenseSample, DenseSamples
from coterie.tasks.dense.gradients import DenseGradientSource
from coterie.tasks.dense.sensor import check_withheld
from coterie.tasks.dense.shared_images import find_shared_images
from coterie.tasks.dense.split_summary import summarize_splits
from coterie.tasks.dense.task import DenseTask
from coterie.tasks.dense.task_file import DATASET_KEY, parse_dense_tasks
from coterie.tasks.dense.vision_config import ResizedDataset, VisionConfig
from coterie.tasks.evaluated_tasks import SharedSample
from coterie.tasks.frozen_tasks import FrozenTasks
from coterie.tasks.gradients import GradientOptions
from coterie.tasks.losses import ItemLosses
from coterie.tasks.predictions import (
    EvaluationDataset,
    ForwardPass,
    PredictionResult,
    PredictOptions,
)
from coterie.tasks.split_summary import SplitSummary
from coterie.tasks.task_set import Batch, Device, TaskSet
from coterie.third_party_warnings import suppress_third_party_warnings
from coterie.tuner.injection import is_role

Rows = list[DenseSamples]


@dataclass(frozen=True, kw_only=True)
class DenseTasks(TaskSet):
    """The tasks of a dense data set; a row is an image with its labels, an item is an image.

    Attributes:
        dataset: the images, their labels and the tasks.
        vision: configuration of the multi-task model and the preprocessing.
        frozen: an earlier run whose tasks are not trained; set by `coterie.add_tasks`.
    """

    yaml_key: ClassVar[str] = DATASET_KEY
    default_recipe: ClassVar[str] = "dense"
    extract_format: ClassVar[str] = "pruned"
    model_plugins: ClassVar[str] = VISION_MODELS
    optional_settings: ClassVar[tuple[str, ...]] = ("attention",)
    dataset: DenseDataset
    vision: VisionConfig = field(default_factory=VisionConfig)
    frozen: FrozenTasks | None = None

    def __post_init__(self) -> None:
        if self.frozen is not None:
            self.frozen.check(self.names)

    @classmethod
    def from_yaml(cls, items: Mapping[Any, Any], path: Path) -> "DenseTasks":
        dataset, vision = parse_dense_tasks(items, path)
        return cls(dataset=dataset, vision=vision)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(task.name for task in self.dataset.tasks)

    def select(self, names: Sequence[str]) -> "DenseTasks":
        return replace(self, dataset=self.dataset.select(names))

    def with_settings_of(self, trained: TaskSet) -> TaskSet:
        super().with_settings_of(trained)
        assert isinstance(trained, DenseTasks)
        return replace(self, vision=trained.vision)

    def withhold(self, names: Sequence[str]) -> "DenseTasks":
        check_withheld(names, self.dataset.sensors, "without")
        return replace(self, vision=replace(self.vision, without=tuple(names)))

    def list_notices(self, datasets: Sequence[DenseSamples]) -> list[str]:
        optional = [sensor.name for sensor in self.dataset.sensors if sensor.optional]
        return [
            f"no training sample has the input {name!r}, and its backbone is not trained"
            for name in optional
            for rows in datasets
            if not any(name in rows[number].sensors for number in range(len(rows)))
        ]

    def get_training_settings(self) -> dict[str, Any]:
        settings = {"vision": self.vision, "frozen": self.frozen}
        return {name: serialization.dump(each, name=name) for name, each in settings.items()}

    def check_recipe(self, recipe: Recipe) -> None:
        roles = MultiTaskViT.roles
        for at in [mixture.at for mixture in recipe.mixtures]:
            if isinstance(at, str) and is_role(at) and at not in roles:
                raise ValueError(
                    f"recipe {recipe.name!r} puts experts at {at!r}, and a model of dense tasks "
                    f"has {' and '.join(roles)} alone: set the recipe's `at` to one of these, or "
                    "take a recipe for vision models, such as mod_squad"
                )

    def load_model(
        self, base: str, *, dtype: torch.dtype | None = None, device: Device = None, seed: int = 0,
        options: ModelOptions | None = None,
    ) -> LoadedModel:  # fmt: skip
        """Load a `MultiTaskVisionModel` and the `DenseCollator` of its batches.

        Heads and task embeddings are initialised from `seed`.
        """
        chosen, backbone = choose_device(device), resolve_base(base, VISION_MODELS)
        tasks = self.dataset.tasks
        with torch.random.fork_rng(), suppress_third_party_warnings():
            torch.manual_seed(seed)
            model: Any = self.vision.load_model(backbone, tasks, self.dataset.sensors)
            for each in model.get_backbones():
                set_attention(each, base, options or ModelOptions(), chosen)
        collator = DenseCollator.from_pretrained(backbone, tasks, self.dataset.sensors)
        return LoadedModel(model.to(chosen, dtype).eval(), collator, base)

    def load_sample_check(self, base: str, **options: Any) -> None:
        # A wrong base, or none for the sensors, is told before rows are read.
        load_config(resolve_base(base, VISION_MODELS))
        self.vision.check_sensors(self.dataset.sensors)

    def load_datasets(self, split: str, *, skip_bad_rows: bool = False, **_: Any) -> Rows:
        if split == "train":
            return [self.dataset.load_split("train", skip_bad_rows=skip_bad_rows)]
        return [self.load_evaluation_rows(split, skip_bad_rows=skip_bad_rows)]

    def summarize(self, sample_check: Any = None) -> list[SplitSummary]:
        return summarize_splits(self.dataset, self.vision, tuple(SPLIT_PARTS))

    def compute_rows_digests(self) -> dict[str, str]:
        rows, folders = f"the rows of {type(self.dataset).__name__}", self.dataset.list_folders()
        found = {f"{rows} in {each.name}": compute_rows_digest(str(each)) for each in folders}
        return {name: digest for name, digest in found.items() if digest}

    def find_missing_rows(self, split: str) -> str:
        return next((str(each) for each in self.dataset.list_folders() if not each.is_dir()), "")

    def make_collator(
        self, processor: DenseCollator, *, max_length: int | None = None
    ) -> DenseCollator:
        return processor

    def transform(self, sample: DenseSample, seed: int) -> DenseSample:
        dataset = self.dataset
        return self.vision.transform_for_training(sample, dataset.tasks, seed, dataset.sensors)

    def compute_losses(self, model: nn.Module, base_model: nn.Module, batch: Batch) -> ItemLosses:
        """Return one loss per image and labelled trained task, times the task's weight."""
        # All tasks at once unless some are frozen: these need no forward pass.
        chosen = {} if self.frozen is None else {"tasks": self.trained_names}
        predictions = model(pixel_values=batch["pixel_values"], **chosen).predictions
        # Empty losses, so that heads without a label are in the graph with a gradient of 0.
        found = [each.flatten()[:0].float() for each in predictions.values()]
        numbers = [torch.empty(0, dtype=torch.int64, device=found[0].device)]
        for number, task in enumerate(self.dataset.tasks):
            if task.name in self.trained_names and task.name in batch["labels"]:
                losses = task.compute_weighted_losses(predictions[task.name], batch)
                found.append(losses)
                numbers.append(torch.full_like(losses, number, dtype=torch.int64))
        return ItemLosses(torch.cat(found), torch.cat(numbers))

    def count_items(self, batch: dict[str, Any]) -> int:
        return len(batch["pixel_values"])

    def get_task_names(self, batch: dict[str, Any]) -> list[str]:
        labelled = sorted(name for name, known in batch["known"].items() if bool(known.any()))
        return [name for name in labelled if name in self.trained_names]

    def get_task(self, name: str) -> DenseTask:
        """Return a task by name. Raises ValueError if there is none."""
        if found := [task for task in self.dataset.tasks if task.name == name]:
            return found[0]
        raise ValueError(f"there is no task {name!r}: give one of {', '.join(self.names)}")

    def load_evaluation_rows(
        self, split: str, *, limit: int | None = None, skip_bad_rows: bool = False
    ) -> ResizedDataset:
        """Load a split without augmentation; see `load_evaluation_datasets`."""
        rows = self.dataset.load_split(split, skip_bad_rows=skip_bad_rows)
        tasks, sensors = self.dataset.tasks, self.dataset.sensors
        return ResizedDataset(rows, tasks, self.vision, sensors=sensors, limit=limit)

    def load_evaluation_datasets(
        self, split: str, *, limit: int | None, blind: bool, skip_bad_rows: bool, **_: Any
    ) -> list[EvaluationDataset]:
        """Load one data set of all tasks, which share each forward pass."""
        rows = self.load_evaluation_rows(split, limit=limit, skip_bad_rows=skip_bad_rows)
        facts: Any = {"name": split, "tasks": self.names, "unit": "image", "samples": rows}
        return [EvaluationDataset(**facts, bad_rows=rows.bad_rows)]

    def find_shared_samples(
        self, datasets: Sequence[EvaluationDataset], split: str
    ) -> dict[str, list[SharedSample]]:
        """Find images of equal files, or of equal pixels, among those of a split."""
        with suppress(ValueError, OSError):  # no such split, or moved since
            others = self.dataset.load_images(split)
            shared = [find_shared_images(each.samples, others) for each in datasets]
            pairs = zip(datasets, shared, strict=True)
            return {task: sources for each, sources in pairs for task in each.tasks}
        return {}

    def make_prediction_key(self, dataset: EvaluationDataset, task: str) -> dict[str, Any]:
        """Return the samples' digest and the settings of data set, preprocessing and task."""
        digests = "".join(map(dataset.samples.compute_digest, range(len(dataset.samples))))
        parts = {"dataset": self.dataset, "vision": self.vision, "task": self.get_task(task)}
        dumped = {name: serialization.dump(each, name=name) for name, each in parts.items()}
        return {"samples": hashlib.sha256(digests.encode()).hexdigest()} | dumped

    def predict(
        self, loaded: LoadedModel, dataset: EvaluationDataset, **options: Unpack[PredictOptions]
    ) -> PredictionResult:
        """Predict all tasks in each forward pass; rows hold statistics, not predicted images."""
        pixels = loaded.processor.normalize_inputs
        return inference.run_inference(
            loaded.model, dataset.samples, self.dataset.tasks, pixels=pixels, **options
        )

    def get_metric(self, task: str) -> DenseMetric:
        return self.get_task(task).make_metric()

    def make_forward_pass(
        self, loaded: LoadedModel, datasets: Sequence[EvaluationDataset], *, num_samples: int
    ) -> ForwardPass:
        """Prepare a pass of all tasks over the first images that have the first one's size."""
        model: Any = loaded.model
        model.requires_grad_(False)  # torch's FLOP counter fails on tensors that require gradients
        rows, names = datasets[0].samples, list(self.names)
        samples = [rows[index] for index in range(min(num_samples, len(rows)))]
        samples = [sample for sample in samples if sample.size == samples[0].size]
        batch = loaded.processor.normalize_inputs(samples)
        count = len(samples) * len(names)
        return ForwardPass(lambda: inference.predict_batch(model, batch, names), count)

    def save_examples(
        self, loaded: LoadedModel, dataset: EvaluationDataset, index_file: Path
    ) -> None:
        """Write images, labels and predictions of a few samples as PNG files."""
        # Of the full split, so that runs with other limits compare.
        tasks, sensors, limit = self.dataset.tasks, self.dataset.sensors, inference.NUM_EXAMPLES
        given = dataset.samples.dataset
        rows = ResizedDataset(given, tasks, self.vision, sensors=sensors, limit=limit)
        pixels = loaded.processor.normalize_inputs
        found = inference.predict_each(loaded.model, rows, tasks, pixels=pixels)
        inference.save_examples(index_file, tasks, found)

    def load_model_inputs(
        self, processor: Any, split: str, *, limit: int | None, batch_size: int, skip_bad_rows: bool
    ) -> Iterator[dict[str, Tensor]]:
        rows = self.load_evaluation_rows(split, limit=limit, skip_bad_rows=skip_bad_rows)
        for start in range(0, len(rows), batch_size):
            batch = [rows[index] for index in range(start, min(start + batch_size, len(rows)))]
            yield {"pixel_values": processor.normalize_inputs(batch)}

    def make_gradient_source(
        self, loaded: LoadedModel, **options: Unpack[GradientOptions]
    ) -> DenseGradientSource:
        at, split = options["at"], options["split"]
        if at is not None:
            raise ValueError(
                f"at={tuple(at)}: dense tasks are compared in the weights of the backbone's "
                "blocks; leave at out"
            )
        rows = self.load_evaluation_rows(split, skip_bad_rows=options["skip_bad_rows"])
        return DenseGradientSource(loaded, rows, split=split)
