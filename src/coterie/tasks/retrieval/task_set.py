"""`RetrievalTasks`: pairs of a prompt with media and a text that find each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Unpack

import torch
from torch import nn

from coterie import distributed
from coterie.data.sample import TextSample
from coterie.data.sample_check import SampleCheck
from coterie.metrics.recall_at_k import RecallAtK
from coterie.models.loading import LoadedModel
from coterie.models.options import ModelOptions
from coterie.tasks.evaluated_tasks import SharedSample
from coterie.tasks.gradients import GradientOptions, GradientSource
from coterie.tasks.losses import ItemLosses
from coterie.tasks.predictions import (
    EvaluationDataset,
    ForwardPass,
    Prediction,
    PredictionResult,
    PredictOptions,
    TaskDataset,
)
from coterie.tasks.retrieval.embedding import (
    PairCollator,
    compute_pair_losses,
    embed,
    embed_pairs,
)
from coterie.tasks.retrieval.ranks import have_one_text, rank_pairs
from coterie.tasks.split_summary import SplitSummary
from coterie.tasks.task_set import Batch, Device, TaskSet
from coterie.tasks.text.generation import prepare_inputs
from coterie.tasks.text.gradients import TextGradientSource
from coterie.tasks.text.prediction_rows import compute_samples_digest
from coterie.tasks.text.task import parse_text_tasks
from coterie.tasks.text.task_set import TextTasks

UNUSED = ("metric", "max_new_tokens")
"""Keys of a text task that say how its answers are generated and scored."""


@dataclass(frozen=True, kw_only=True)
class RetrievalTasks(TaskSet):
    """Rows as those of text tasks; an item is a pair of a prompt and its first answer.

    A language model embeds both as VLM2Vec does (arXiv:2410.05160): by the state after the last
    token. Training minimises the mean of InfoNCE in both directions, within the pairs of one task
    in a part of a batch on a device; so a batch of one task (`TaskSampling(one_task_per_batch=
    True)`) has the most negatives. Scores are R@1, R@5 and R@10 among all samples of a split.

    Attributes:
        tasks: the rows; their metrics and `max_new_tokens` are not used.
        temperature: of InfoNCE, above 0; 0.02 in VLM2Vec.
        k: the R@k that is the score: 1, 5 or 10.
    """

    tasks: TextTasks
    temperature: float = 0.02
    k: int = 1
    yaml_key: ClassVar[str] = "retrieval"
    supports_blind: ClassVar[bool] = True
    min_batch_size: ClassVar[int] = 2
    optional_settings: ClassVar[tuple[str, ...]] = ("quantize", "attention", "max_pixels")
    prediction_fields: ClassVar[tuple[str, ...]] = (
        "source", "question", "answers", "ranks", "statistics"
    )  # fmt: skip

    @classmethod
    def from_yaml(cls, items: Mapping[Any, Any], path: Path) -> "RetrievalTasks":
        settings = {str(key): value for key, value in items.items() if key != cls.yaml_key}
        if strange := [key for key in settings if key not in ("temperature", "k")]:
            raise ValueError(
                f"{path}: {', '.join(strange)}: a file of retrieval tasks has the key "
                f"`{cls.yaml_key}`, with a list of tasks under it, and may have `temperature` "
                "and `k`"
            )
        listed = items[cls.yaml_key]
        tasks = TextTasks(tasks=parse_text_tasks(listed, path, cls.yaml_key))
        for number, item in enumerate(listed):
            if unused := [name for name in UNUSED if name in item]:
                raise ValueError(
                    f"{path}: {cls.yaml_key}[{number}].{unused[0]}: pairs are ranked and scored by "
                    "recall_at_k, and nothing is generated: leave it out"
                )
        try:
            return cls(tasks=tasks, **settings)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None

    def __post_init__(self) -> None:
        if type(self.temperature) not in (int, float) or not 0 < self.temperature < float("inf"):
            raise ValueError(f"temperature = {self.temperature!r}: give a number above 0")
        RecallAtK(k=self.k)

    @property
    def names(self) -> tuple[str, ...]:
        return self.tasks.names

    def get_sampling_weights(self) -> tuple[float, ...]:
        return self.tasks.get_sampling_weights()

    def find_modalities(self) -> dict[str, tuple[str, ...]]:
        return self.tasks.find_modalities()

    def describe_task(self, name: str) -> str:
        splits = self.tasks.get_text_task(name).list_splits()
        return f"{', '.join(splits)}; {self.get_metric(name)}"

    def select(self, names: Sequence[str]) -> "RetrievalTasks":
        return replace(self, tasks=self.tasks.select(names))

    def select_with(self, split: str) -> "RetrievalTasks":
        return replace(self, tasks=self.tasks.select_with(split))

    def get_modalities(self, sample: TextSample) -> tuple[str, ...]:
        return self.tasks.get_modalities(sample)

    def load_model(
        self, base: str, *, dtype: torch.dtype | None = None, device: Device = None, seed: int = 0,
        options: ModelOptions | None = None,
    ) -> LoadedModel:  # fmt: skip
        return self.tasks.load_model(base, dtype=dtype, device=device, seed=seed, options=options)

    def load_sample_check(
        self, base: str, *, max_length: int | None = None, options: ModelOptions | None = None
    ) -> SampleCheck:
        return self.tasks.load_sample_check(base, max_length=max_length, options=options)

    def load_datasets(
        self, split: str, *, skip_bad_rows: bool = False, sample_check: SampleCheck | None = None
    ) -> Sequence[TaskDataset]:
        """Load one data set for each task. Raises ValueError for one to train on of one answer."""
        found = self.tasks.load_datasets(
            split, skip_bad_rows=skip_bad_rows, sample_check=sample_check
        )
        for name, rows in zip(self.names, found if split == "train" else (), strict=False):
            answers = (rows[number].answers[0] for number in range(len(rows)))
            if have_one_text(answers):
                raise ValueError(
                    f"task {name!r}, split {split!r}: all samples have one answer, and a prompt "
                    "learns to find its own among others: give rows of different answers"
                )
        return found

    def describe_bad_rows(
        self, split: str, *, skip_bad_rows: bool = False, sample_check: SampleCheck | None = None
    ) -> str:
        return self.tasks.describe_bad_rows(
            split, skip_bad_rows=skip_bad_rows, sample_check=sample_check
        )

    def compute_rows_digests(self) -> dict[str, str]:
        return self.tasks.compute_rows_digests()

    def find_missing_rows(self, split: str) -> str:
        return self.tasks.find_missing_rows(split)

    def summarize(self, sample_check: SampleCheck | None = None) -> list[SplitSummary]:
        """Summarize the rows as those of text tasks, without scores of answers in text."""
        found = self.tasks.summarize(sample_check)  # pyright: ignore[reportArgumentType]  its own check
        return [replace(each, scores={}) for each in found]

    def list_notices(self, datasets: Sequence[Any]) -> list[str]:
        return self.tasks.list_notices(datasets)

    def make_collator(self, processor: Any, *, max_length: int | None = None) -> PairCollator:
        return PairCollator(processor, self.names, max_length=max_length)

    def transform(self, sample: TextSample, seed: int) -> TextSample:
        return sample

    def compute_losses(self, model: nn.Module, base_model: Any, batch: Batch) -> ItemLosses:
        head = base_model.get_output_embeddings()
        return compute_pair_losses(model, head, batch, temperature=self.temperature)

    def make_gradient_source(
        self, loaded: LoadedModel, **options: Unpack[GradientOptions]
    ) -> GradientSource:
        collator = PairCollator(loaded.processor, options["model_tasks"])
        return TextGradientSource(
            loaded, self.tasks.tasks, collator=collator,
            compute_losses=partial(compute_pair_losses, temperature=self.temperature), **options
        )  # fmt: skip

    def count_items(self, batch: dict[str, Any]) -> int:
        return len(batch["excluded"])

    def get_task_names(self, batch: dict[str, Any]) -> list[str]:
        return self.tasks.get_task_names(batch)

    def load_evaluation_datasets(
        self, split: str, *, limit: int | None, blind: bool, skip_bad_rows: bool,
        sample_check: SampleCheck | None = None,
    ) -> list[EvaluationDataset]:  # fmt: skip
        """Load one data set for each task; `blind` leaves the text alone in its prompts."""
        return self.tasks.load_evaluation_datasets(
            split, limit=limit, blind=blind, skip_bad_rows=skip_bad_rows, sample_check=sample_check
        )

    def make_prediction_key(self, dataset: EvaluationDataset, task: str) -> dict[str, Any]:
        return {"samples": compute_samples_digest(dataset.samples)}

    def predict(
        self, loaded: LoadedModel, dataset: EvaluationDataset, **options: Unpack[PredictOptions]
    ) -> PredictionResult:
        """Embed all pairs and rank them among each other."""
        (name,) = dataset.tasks
        samples, metric = dataset.samples, self.get_metric(name)
        texts = [sample.answers[0] for sample in samples]
        if have_one_text(texts):
            distributed.print_message(
                f"task {name!r}: all samples have one answer, which each finds: this is no score"
            )
        collator = PairCollator(loaded.processor, self.names)
        queries, candidates, seconds = embed_pairs(loaded, collator, samples, **options)
        ranks = rank_pairs(queries, candidates, texts)
        rows = [
            {
                "source": sample.source,
                "question": sample.get_last_user_text(),
                "answers": list(sample.answers),
                "ranks": [each.candidate, each.query],
                "statistics": metric.statistics(each).tolist(),
            }
            for sample, each in zip(samples, ranks, strict=True)
        ]
        return PredictionResult({name: rows}, seconds)

    def get_metric(self, task: str) -> RecallAtK:
        return RecallAtK(k=self.k)

    def make_sample_key(self, row: Prediction) -> str:
        return self.tasks.make_sample_key(row)

    def find_shared_samples(
        self, datasets: Sequence[EvaluationDataset], split: str
    ) -> Mapping[str, Sequence[SharedSample]]:
        return self.tasks.find_shared_samples(datasets, split)

    def make_forward_pass(
        self, loaded: LoadedModel, datasets: Sequence[EvaluationDataset], *, num_samples: int
    ) -> ForwardPass:
        """Prepare one forward pass over prompts and answers."""
        model: Any = loaded.model
        collator = PairCollator(loaded.processor, self.names)
        batches = [
            prepare_inputs(collator([rows[i] for i in range(min(num_samples, len(rows)))]), model)
            for rows in [dataset.samples for dataset in datasets]
        ]
        head, count = model.get_output_embeddings(), sum(len(each["excluded"]) for each in batches)
        return ForwardPass(lambda: [embed(model, head, batch) for batch in batches], count)
