"""`TextTasks`: tasks that a language model answers in text."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from glob import glob
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, Unpack

import torch
from torch import nn

from coterie.annotations import format_suggestions
from coterie.data.dataset import BadRowsError, describe_bad_rows
from coterie.data.file_digest import compute_rows_digest
from coterie.data.sample import TextSample
from coterie.data.sample_check import SampleCheck
from coterie.data.subset import Subset
from coterie.data.validation import ValidatedDataset
from coterie.metrics.base import TextMetric
from coterie.models.loading import LoadedModel, load, load_inputs
from coterie.models.options import ModelOptions
from coterie.tasks.evaluated_tasks import SharedSample
from coterie.tasks.frozen_tasks import FrozenTasks
from coterie.tasks.gradients import GradientOptions
from coterie.tasks.losses import ItemLosses
from coterie.tasks.predictions import (
    EvaluationDataset,
    ForwardPass,
    Prediction,
    PredictionResult,
    PredictOptions,
    RoutingTrace,
    ScoredPredictions,
)
from coterie.tasks.split_summary import SplitSummary
from coterie.tasks.task_set import Batch, Device, TaskSet
from coterie.tasks.text.batches import IGNORE_INDEX, TextCollator, compute_token_losses
from coterie.tasks.text.generation import predict, prepare_inputs
from coterie.tasks.text.gradients import TextGradientSource
from coterie.tasks.text.prediction_rows import compute_samples_digest, make_rows
from coterie.tasks.text.routing_trace import trace_routing
from coterie.tasks.text.sample_check import TokenCheck
from coterie.tasks.text.shared_samples import find_shared_samples
from coterie.tasks.text.split_summary import summarize_rows
from coterie.tasks.text.task import TextTask, parse_text_tasks

TRAINED_SPLITS = ("train", "validation")
"""The splits that training reads."""


@dataclass(frozen=True, kw_only=True)
class TextTasks(TaskSet):
    """Text tasks, each with rows of its own; an item is an answer token.

    Attributes:
        tasks: at least one, each with a name of its own; their order is that of task ids.
        frozen: an earlier run whose tasks are not trained; set by `coterie.add_tasks`.
    """

    tasks: tuple[TextTask, ...]
    frozen: FrozenTasks | None = None
    yaml_key: ClassVar[str] = "tasks"
    supports_blind: ClassVar[bool] = True
    optional_settings: ClassVar[tuple[str, ...]] = (
        "quantize", "attention", "max_pixels", "packing"
    )  # fmt: skip
    prediction_fields: ClassVar[tuple[str, ...]] = (
        "source", "question", "prediction", "answers", "statistics"
    )  # fmt: skip

    @classmethod
    def from_yaml(cls, items: Mapping[Any, Any], path: Path) -> "TextTasks":
        others = [str(key) for key in items if key != cls.yaml_key]
        if others:
            raise ValueError(
                f"{path}: {', '.join(others)}: a file of text tasks has one key, `tasks`, with a "
                "list of tasks under it; put tasks of another kind into a file of their own"
            )
        return cls(tasks=parse_text_tasks(items[cls.yaml_key], path))

    def __post_init__(self) -> None:
        tasks = self.tasks
        if not isinstance(tasks, tuple) or not all(isinstance(each, TextTask) for each in tasks):
            raise ValueError(f"TextTasks(tasks={self.tasks!r}): give a tuple of TextTask")
        if self.frozen is not None:
            self.frozen.check(self.names)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(task.name for task in self.tasks)

    def get_sampling_weights(self) -> tuple[float, ...]:
        return tuple(task.weight for task in self.tasks)

    def find_modalities(self) -> dict[str, tuple[str, ...]]:
        return {task.name: task.find_modalities() for task in self.tasks}

    def describe_task(self, name: str) -> str:
        task = self.get_text_task(name)
        return f"{', '.join(task.list_splits())}; {task.metric}"

    def get_text_task(self, name: str | None = None) -> TextTask:
        if name is None and len(self.tasks) == 1:
            return self.tasks[0]
        for task in self.tasks:
            if task.name == name:
                return task
        problem = "there are several tasks" if name is None else f"there is no task {name!r}"
        near = format_suggestions(name or "", self.names)
        raise ValueError(f"{problem}{near}: give one of {', '.join(self.names)}")

    def select(self, names: Sequence[str]) -> "TextTasks":
        return TextTasks(tasks=tuple(map(self.get_text_task, names)))

    def select_with(self, split: str) -> "TextTasks":
        return TextTasks(tasks=tuple(each for each in self.tasks if split in each.list_splits()))

    def get_modalities(self, sample: TextSample) -> tuple[str, ...]:
        return tuple(item.kind for item in sample.get_media())

    def load_model(
        self, base: str, *, dtype: torch.dtype | None = None, device: Device = None, seed: int = 0,
        options: ModelOptions | None = None,
    ) -> LoadedModel:  # fmt: skip
        return load(base, dtype=dtype, device=device, options=options)

    def load_sample_check(
        self, base: str, *, max_length: int | None = None, options: ModelOptions | None = None
    ) -> TokenCheck:
        inputs = load_inputs(base, options)
        context = inputs.context_length
        return TokenCheck(inputs.processor, max_length=max_length, context_length=context)

    def load_datasets(
        self, split: str, *, skip_bad_rows: bool = False, sample_check: SampleCheck | None = None
    ) -> list[ValidatedDataset]:
        tasks = self.tasks
        if split != "train":
            tasks = [task for task in tasks if split in task.list_splits()]
        return read_tasks_rows(tasks, split, skip=skip_bad_rows, check=sample_check)

    def describe_bad_rows(
        self, split: str, *, skip_bad_rows: bool = False, sample_check: SampleCheck | None = None
    ) -> str:
        # All bad rows of rows that the splits share out stand in the error of the first split.
        own = TextTasks(tasks=tuple(task for task in self.tasks if split in task.rows))
        return TaskSet.describe_bad_rows(
            own, split, skip_bad_rows=skip_bad_rows, sample_check=sample_check
        )

    def compute_rows_digests(self) -> dict[str, str]:
        found = {}
        for task in self.tasks:
            splits = [each for each in TRAINED_SPLITS if each in task.list_splits()]
            places = dict.fromkeys(chain(*map(task.list_places, splits)))
            digests = [compute_rows_digest(each) for each in places]
            if all(digests):
                found[f"the rows of {task.name}"] = "".join(digests)
        return found

    def find_missing_rows(self, split: str) -> str:
        tasks = [each for each in self.tasks if split in each.list_splits()]
        places = chain(*(each.list_places(split) for each in tasks))
        # What is not a plain path, such as one with a split, is left to the reader of the rows.
        local = (place for place in places if not place.startswith("hf:") and "#" not in place)
        return next((each for each in local if not (Path(each).exists() or glob(each))), "")

    def summarize(self, sample_check: SampleCheck | None = None) -> list[SplitSummary]:
        scored = sample_check and sample_check.without_max_length()
        return [
            summarize_rows(task, split, sample_check if split in TRAINED_SPLITS else scored)
            for task in self.tasks
            for split in dict.fromkeys(("train", *task.list_splits()))  # or nothing can be trained
        ]

    def list_notices(self, datasets: Sequence[ValidatedDataset]) -> list[str]:
        notices = [notice for each in datasets for notice in each.list_notices()]
        return [*notices, *filter(None, (task.describe_missing_test() for task in self.tasks))]

    def make_collator(self, processor: Any, *, max_length: int | None = None) -> TextCollator:
        return TextCollator(processor, self.names, max_length=max_length)

    def transform(self, sample: TextSample, seed: int) -> TextSample:
        return sample

    def compute_losses(self, model: nn.Module, base_model: Any, batch: Batch) -> ItemLosses:
        return compute_token_losses(model, base_model.get_output_embeddings(), batch)

    def count_items(self, batch: dict[str, Any]) -> int:
        # No position predicts the first token of a text.
        return int(batch["labels"][:, 1:].ne(IGNORE_INDEX).sum())

    def get_task_names(self, batch: dict[str, Any]) -> list[str]:
        return sorted({self.names[index] for index in batch["task_ids"].tolist()})

    def make_gradient_source(
        self, loaded: LoadedModel, **options: Unpack[GradientOptions]
    ) -> TextGradientSource:
        return TextGradientSource(loaded, self.tasks, **options)

    def load_evaluation_datasets(
        self,
        split: str,
        *,
        limit: int | None,
        blind: bool,
        skip_bad_rows: bool,
        sample_check: SampleCheck | None = None,
    ) -> list[EvaluationDataset]:
        """Load one data set for each task; `blind` leaves the text alone in its samples."""
        rows = read_tasks_rows(self.tasks, split, skip=skip_bad_rows, check=sample_check)
        return [
            EvaluationDataset(
                name=name, tasks=(name,), unit="answer", bad_rows=each.bad_rows,
                samples=Subset(each, limit=limit, blind=blind)
            )
            for name, each in zip(self.names, rows, strict=True)
        ]  # fmt: skip

    def make_prediction_key(self, dataset: EvaluationDataset, task: str) -> dict[str, Any]:
        longest = self.get_text_task(task).max_new_tokens
        return {"samples": compute_samples_digest(dataset.samples), "max_new_tokens": longest}

    def predict(
        self, loaded: LoadedModel, dataset: EvaluationDataset, **options: Unpack[PredictOptions]
    ) -> PredictionResult:
        """Generate answers; `on_routing` is called for prompts alone, not for answers' tokens."""
        (name,) = dataset.tasks
        collator = TextCollator(loaded.processor, self.names)
        longest = self.get_text_task(name).max_new_tokens
        texts, seconds = predict(
            loaded, collator, dataset.samples, max_new_tokens=longest, **options
        )
        return PredictionResult({name: make_rows(dataset.samples, texts)}, seconds)

    def trace_routing(self, loaded: LoadedModel, dataset: EvaluationDataset) -> RoutingTrace | None:
        return trace_routing(loaded, TextCollator(loaded.processor, self.names), dataset.samples[0])

    def get_metric(self, task: str) -> TextMetric:
        return self.get_text_task(task).metric

    def score_predictions(self, task: str, rows: Sequence[Prediction]) -> ScoredPredictions:
        return self.get_metric(task).compute_statistics(rows)

    def make_sample_key(self, row: Prediction) -> str:
        """Return the question, the answers and the row's place, without the file's folder."""
        # Runs may come from several machines.
        return json.dumps([Path(row["source"]).name, row["question"], row["answers"]])

    def find_shared_samples(
        self, datasets: Sequence[EvaluationDataset], split: str
    ) -> dict[str, list[SharedSample]]:
        """Find samples of equal messages, answers and media among those of all tasks' split."""
        samples = {each.name: each.samples for each in datasets}
        return find_shared_samples(samples, self.tasks, split)

    def make_forward_pass(
        self, loaded: LoadedModel, datasets: Sequence[EvaluationDataset], *, num_samples: int
    ) -> ForwardPass:
        """Prepare one forward pass over prompts with their answers."""
        model: Any = loaded.model
        collator = TextCollator(loaded.processor, self.names)
        batches = [
            prepare_inputs(collator([rows[i] for i in range(min(num_samples, len(rows)))]), model)
            for rows in [dataset.samples for dataset in datasets]
        ]
        count = sum(len(batch["input_ids"]) for batch in batches)
        return ForwardPass(lambda: [model(**batch) for batch in batches], count)


def read_tasks_rows(
    tasks: Sequence[TextTask], split: str, *, skip: bool, check: SampleCheck | None
) -> list[ValidatedDataset]:
    """Load a split of each task. Raises one BadRowsError with the bad rows of all of them."""
    found = [read_or_explain(task, split, skip=skip, check=check) for task in tasks]
    if problems := [problem for _, problem in found if problem]:
        raise BadRowsError("\n".join(problems))
    return [rows for rows, _ in found if rows is not None]


def read_or_explain(
    task: TextTask, split: str, *, skip: bool, check: SampleCheck | None
) -> tuple[ValidatedDataset | None, str]:
    """Load a split of a task, and return it with what is wrong; empty for nothing."""
    try:
        rows = task.read_rows(split, sample_check=check)
    except ValueError as error:  # too few rows for a split, or no such file
        return None, str(error)
    what, total = task.describe_split(split), len(rows.source)
    return rows, describe_bad_rows(rows, what=what, total=total, skip=skip)
