"""`DenseTasks`: tasks of a dense data set, with a shared vision backbone and a head each."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from coterie import serialization
from coterie.families.multitask_vit import MultiTaskViT
from coterie.metrics.dense.base import DenseMetric
from coterie.models.loading import LoadedModel
from coterie.plugins import VISION_MODELS, find_plugin
from coterie.recipe import Recipe
from coterie.routing.decision import Tape
from coterie.tasks.dense.collator import DenseCollator
from coterie.tasks.dense.dataset import DenseDataset, DenseSample, DenseSamples, DenseSubset
from coterie.tasks.dense.examples import predict_examples, save_examples
from coterie.tasks.dense.gradients import DenseGradientSource
from coterie.tasks.dense.inference import (
    compute_samples_digest,
    make_forward_pass,
    make_rows,
    run_inference,
)
from coterie.tasks.dense.loss import compute_batch_losses
from coterie.tasks.dense.task import DenseTask
from coterie.tasks.dense.task_file import DATASET_KEY, parse_dense_tasks
from coterie.tasks.dense.vision_config import ResizedDataset, VisionConfig
from coterie.tasks.frozen_tasks import FrozenTasks
from coterie.tasks.losses import ItemLosses
from coterie.tasks.predictions import EvaluationDataset, ForwardPass, PredictionResult
from coterie.tasks.task_set import TaskSet
from coterie.third_party_warnings import suppress_third_party_warnings
from coterie.tuner.injection import is_role


@dataclass(frozen=True, kw_only=True)
class DenseTasks(TaskSet):
    """The tasks of a dense data set; a row is an image with its labels, an item is an image.

    Attributes:
        dataset: the images, their labels and the tasks.
        vision: configuration of the multi-task model and the preprocessing.
        frozen: an earlier run whose tasks are not trained; set by `coterie.add_tasks`.
    """

    yaml_key: ClassVar[str] = DATASET_KEY
    extract_format: ClassVar[str] = "pruned"
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
        """Return these tasks with the `vision` of a run's; see `TaskSet`."""
        super().with_settings_of(trained)
        assert isinstance(trained, DenseTasks)
        return replace(self, vision=trained.vision)

    def get_training_settings(self) -> dict[str, Any]:
        return {
            name: serialization.dump(getattr(self, name), name=name)
            for name in ("vision", "frozen")
        }

    def check_recipe(self, recipe: Recipe) -> None:
        check_mixture_sites(recipe)

    def load_model(
        self,
        base: str,
        *,
        dtype: torch.dtype | None = None,
        device: str | torch.device | None = None,
        seed: int = 0,
    ) -> LoadedModel:
        """Load a `MultiTaskVisionModel` and the `DenseCollator` of its batches.

        Heads and task embeddings are initialised from `seed`.
        """
        # Heavy: transformers' models.
        from coterie.models.multitask_vision.modeling import MultiTaskVisionModel

        backbone, tasks = resolve_backbone(base), self.dataset.tasks
        with torch.random.fork_rng(), suppress_third_party_warnings():
            torch.manual_seed(seed)
            model: Any = MultiTaskVisionModel.from_backbone(
                backbone,
                tasks,
                pretrained=self.vision.pretrained,
                drop_path=self.vision.drop_path,
                **self.vision.get_model_kwargs(),
            )
        collator = DenseCollator.from_pretrained(backbone, tasks)
        return LoadedModel(model.to(device or "cpu", dtype).eval(), collator, base)

    def load_training_datasets(self, *, skip_bad_rows: bool = False) -> list[DenseSamples]:
        return [self.dataset.load_split("train", skip_bad_rows=skip_bad_rows)]

    def load_validation_datasets(self, *, skip_bad_rows: bool = False) -> list[DenseSamples]:
        rows = self.dataset.load_split("validation", skip_bad_rows=skip_bad_rows)
        return [ResizedDataset(rows, self.dataset.tasks, self.vision)]

    def make_collator(
        self,
        processor: DenseCollator,
        *,
        max_length: int | None = None,
        skip_long: bool = False,
    ) -> DenseCollator:
        return processor

    def transform(self, sample: DenseSample, seed: int) -> DenseSample:
        return self.vision.transform_for_training(sample, self.dataset.tasks, seed)

    def compute_losses(
        self, model: nn.Module, base_model: nn.Module, batch: dict[str, Any]
    ) -> ItemLosses:
        """Return one loss per image and labelled trained task, times the task's weight."""
        # All tasks at once unless some are frozen: these need no forward pass.
        chosen = {} if self.frozen is None else {"tasks": self.trained_names}
        predictions = model(pixel_values=batch["pixel_values"], **chosen).predictions
        trained = [
            (number, task)
            for number, task in enumerate(self.dataset.tasks)
            if task.name in self.trained_names
        ]
        return compute_batch_losses(predictions, trained, batch)

    def count_items(self, batch: dict[str, Any]) -> int:
        return len(batch["pixel_values"])

    def get_task_names(self, batch: dict[str, Any]) -> list[str]:
        labelled = sorted(name for name, known in batch["known"].items() if bool(known.any()))
        return [name for name in labelled if name in self.trained_names]

    def get_task(self, name: str) -> DenseTask:
        """Return a task by name. Raises ValueError if there is none."""
        for task in self.dataset.tasks:
            if task.name == name:
                return task
        raise ValueError(f"there is no task {name!r}: give one of {', '.join(self.names)}")

    def load_evaluation_rows(
        self, split: str, *, limit: int | None = None, skip_bad_rows: bool = False
    ) -> DenseSubset:
        """Load a split without augmentation; see `load_evaluation_datasets`."""
        rows = self.dataset.load_split(split, skip_bad_rows=skip_bad_rows)
        return DenseSubset(ResizedDataset(rows, self.dataset.tasks, self.vision), limit)

    def load_evaluation_datasets(
        self,
        split: str,
        *,
        limit: int | None = None,
        blind: bool = False,
        skip_bad_rows: bool = False,
    ) -> list[EvaluationDataset]:
        """Load one data set of all tasks, which share each forward pass."""
        rows = self.load_evaluation_rows(split, limit=limit, skip_bad_rows=skip_bad_rows)
        dataset = EvaluationDataset(
            name=split, tasks=self.names, samples=rows, unit="image", bad_rows=rows.bad_rows
        )
        return [dataset]

    def make_prediction_key(self, dataset: EvaluationDataset, task: str) -> dict[str, Any]:
        """Return the samples' digest and the settings of data set, preprocessing and task."""
        return {
            "samples": compute_samples_digest(dataset.samples),
            "dataset": serialization.dump(self.dataset, name="dataset"),
            "vision": serialization.dump(self.vision, name="vision"),
            "task": serialization.dump(self.get_task(task), name=task),
        }

    def predict(
        self,
        loaded: LoadedModel,
        dataset: EvaluationDataset,
        *,
        batch_size: int,
        on_routing: Callable[[Tape], object] | None = None,
        on_batch_end: Callable[[int], object] = lambda done: None,
    ) -> PredictionResult:
        """Predict all tasks in each forward pass; rows hold statistics, not predicted images."""
        found = run_inference(
            loaded.model,
            dataset.samples,
            self.dataset.tasks,
            pixels=loaded.processor.normalize_images,
            batch_size=batch_size,
            on_routing=on_routing,
            on_batch_end=on_batch_end,
        )
        rows = {name: make_rows(found.sources, each) for name, each in found.statistics.items()}
        return PredictionResult(rows, found.seconds)

    def get_metric(self, task: str) -> DenseMetric:
        return self.get_task(task).make_metric()

    def make_forward_pass(
        self, loaded: LoadedModel, datasets: Sequence[EvaluationDataset], *, num_samples: int
    ) -> ForwardPass:
        (dataset,) = datasets
        return make_forward_pass(
            loaded.model, loaded.processor, dataset.samples, self.dataset.tasks, num_samples
        )

    def save_examples(
        self, loaded: LoadedModel, dataset: EvaluationDataset, index_file: Path
    ) -> None:
        """Write images, labels and predictions of a few samples as PNG files."""
        examples = predict_examples(
            loaded.model,
            dataset.samples.dataset,  # the full split, so that runs with other limits compare
            self.dataset.tasks,
            pixels=loaded.processor.normalize_images,
        )
        save_examples(index_file, self.dataset.tasks, examples)

    def load_model_inputs(
        self,
        processor: DenseCollator,
        split: str,
        *,
        limit: int | None = None,
        batch_size: int = 16,
        skip_bad_rows: bool = False,
    ) -> Iterator[dict[str, Tensor]]:
        rows = self.load_evaluation_rows(split, limit=limit, skip_bad_rows=skip_bad_rows)
        for start in range(0, len(rows), batch_size):
            batch = [rows[index] for index in range(start, min(start + batch_size, len(rows)))]
            yield {"pixel_values": processor.normalize_images([each.image for each in batch])}

    def make_gradient_source(
        self,
        loaded: LoadedModel,
        *,
        model_tasks: Sequence[str],
        split: str = "train",
        skip_bad_rows: bool = False,
        at: Sequence[str] | None = None,
    ) -> DenseGradientSource:
        if at is not None:
            raise ValueError(
                f"at={tuple(at)}: dense tasks are compared in the weights of the backbone's "
                "blocks; leave at out"
            )
        return DenseGradientSource(
            loaded, self.dataset, vision=self.vision, split=split, skip_bad_rows=skip_bad_rows
        )


def check_mixture_sites(recipe: Recipe) -> None:
    """Raise ValueError if a recipe has experts at a role that vision models lack."""
    roles = MultiTaskViT.roles
    for at in [mixture.at for mixture in recipe.mixtures]:
        if isinstance(at, str) and is_role(at) and at not in roles:
            raise ValueError(
                f"recipe {recipe.name!r} puts experts at {at!r}, and a model of dense tasks has "
                f"{' and '.join(roles)} alone: set the recipe's `at` to one of these, or take a "
                "recipe for vision models, such as mod_squad"
            )


def resolve_backbone(base: str) -> str:
    """Return the folder or hub id of a vision backbone.

    Args:
        base: a folder, a hub id, or the name of a vision model of an installed package, such as
            "embedded" of coterie-demo.

    Raises ValueError if the package is not installed or its model was not downloaded.
    """
    plugin = find_plugin(VISION_MODELS, base)
    return base if plugin is None else str(plugin.load()())
