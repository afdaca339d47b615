"""A kind of task that coterie lacks, in this file alone: retrieval scored by R@k.

It is trained, evaluated, compared, diagnosed and reported as text and dense tasks are.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pytest
import torch
from peft import PeftModel
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer

import coterie
from coterie import serialization
from coterie.evaluate import compare
from coterie.metrics.base import Metric
from coterie.models.loading import LoadedModel
from coterie.routing.decision import Tape
from coterie.tasks import TaskSet
from coterie.tasks.gradients import (
    GradientSource,
    ParameterSpace,
    find_adapter_parameters,
    get_parameter_towers,
    group_parameters,
    preserve_flags,
    split_into_batches,
)
from coterie.tasks.losses import ItemLosses
from coterie.tasks.predictions import (
    EvaluationDataset,
    ForwardPass,
    PredictionResult,
    ScoredPredictions,
)
from tests.train.small import base, plain

CANDIDATES = 4


@dataclass(frozen=True, kw_only=True)
class RecallAt(Metric):
    """The share of queries whose candidate is among the k nearest, in percent."""

    k: int

    def score(self, total: np.ndarray) -> float:
        return 100 * float(total[0] / total[1])

    def __str__(self) -> str:
        return f"recall_at(k={self.k})"


@dataclass(frozen=True, kw_only=True)
class Query:
    text: str
    task: int
    wanted: int


class Queries(list[Query]):
    bad_rows = ()


class QueryCollator:
    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    def __call__(self, samples: Sequence[Query]) -> dict[str, Any]:
        texts = [sample.text for sample in samples]
        inputs = self.tokenizer(texts, return_tensors="pt", padding=True, padding_side="left",
                                return_token_type_ids=False)  # fmt: skip
        return {
            **inputs,
            "task_ids": torch.tensor([sample.task for sample in samples]),
            "wanted": torch.tensor([sample.wanted for sample in samples]),
        }


@dataclass(frozen=True, kw_only=True)
class Retrieval(TaskSet):
    """Queries about vectors, a few candidates a task; the query's last hidden state ranks them."""

    names: tuple[str, ...] = ("first", "last")  # pyright: ignore[reportIncompatibleMethodOverride]
    rows: int = 8
    k: int = 1

    prediction_fields = ("source", "ranks", "wanted")

    def make_queries(self, split: str, task: int) -> Queries:
        """The wanted candidate is said by the first or the last word, one for each task."""
        random = np.random.default_rng(task)  # the same in every split
        words = [random.integers(0, CANDIDATES, 3).tolist() for _ in range(self.rows)]
        wanted = [each[0 if task == 0 else -1] for each in words]
        return Queries(
            Query(text=" ".join(f"it is {number}" for number in each), task=task, wanted=answer)
            for each, answer in zip(words, wanted, strict=True)
        )

    def load_model(self, base: str, *, dtype=None, device=None, seed=0) -> LoadedModel:
        model = AutoModel.from_pretrained(base, dtype=dtype).to(device or "cpu").eval()
        return LoadedModel(model, AutoTokenizer.from_pretrained(base), base)

    def load_datasets(self, split, *, skip_bad_rows=False, sample_check=None) -> list[Queries]:
        return [self.make_queries(split, task) for task in range(len(self.names))]

    def make_collator(self, processor, *, max_length=None) -> QueryCollator:
        return QueryCollator(processor)

    def transform(self, sample: Query, seed: int) -> Query:
        return sample

    def compute_losses(self, model, base_model, batch) -> ItemLosses:
        losses = nn.functional.cross_entropy(score(model, batch), batch["wanted"], reduction="none")
        return ItemLosses(losses.float(), batch["task_ids"])

    def count_items(self, batch: dict[str, Any]) -> int:
        return len(batch["wanted"])

    def get_task_names(self, batch: dict[str, Any]) -> list[str]:
        return [self.names[task] for task in sorted(set(batch["task_ids"].tolist()))]

    def load_evaluation_datasets(
        self, split, *, limit=None, blind=False, skip_bad_rows=False, sample_check=None
    ) -> list[EvaluationDataset]:
        return [
            EvaluationDataset(
                name=name, tasks=(name,), samples=self.make_queries(split, task)[:limit]
            )
            for task, name in enumerate(self.names)
        ]

    def make_prediction_key(self, dataset: EvaluationDataset, task: str) -> dict[str, Any]:
        return {"samples": [[each.text, each.wanted] for each in dataset.samples]}

    def predict(
        self,
        loaded: LoadedModel,
        dataset: EvaluationDataset,
        *,
        batch_size: int,
        on_routing: Callable[[Tape], object] | None = None,
        on_batch_end: Callable[[int], object] = lambda done: None,
    ) -> PredictionResult:
        start, rows = perf_counter(), []
        for first in range(0, len(dataset.samples), batch_size):
            samples = dataset.samples[first : first + batch_size]
            batch = QueryCollator(loaded.processor)(samples)
            if on_routing is None:
                scores = score(loaded.model, batch)
            else:
                with coterie.observe(loaded.model) as tape:
                    scores = score(loaded.model, batch)
                on_routing(tape)
            ranks = scores.argsort(descending=True).tolist()
            rows += [
                {"source": f"query {first + i}: {sample.text}", "ranks": ranks[i],
                 "wanted": sample.wanted, "statistics": []}
                for i, sample in enumerate(samples)
            ]  # fmt: skip
            on_batch_end(len(rows))
        return PredictionResult({dataset.name: rows}, perf_counter() - start)

    def get_metric(self, task: str) -> RecallAt:
        return RecallAt(k=self.k)

    def score_predictions(self, task, rows) -> ScoredPredictions:
        hits = [[float(row["wanted"] in row["ranks"][: self.k]), 1.0] for row in rows]
        return self.get_metric(task), np.array(hits)

    def make_forward_pass(self, loaded, datasets, *, num_samples) -> ForwardPass:
        samples = [each for dataset in datasets for each in dataset.samples[:num_samples]]
        batch = QueryCollator(loaded.processor)(samples)
        return ForwardPass(lambda: score(loaded.model, batch), len(samples))

    def make_gradient_source(
        self, loaded, *, model_tasks, split="train", skip_bad_rows=False, at=None
    ) -> "QueryGradients":
        return QueryGradients(self, loaded, split)


def score(model: nn.Module, batch: Mapping[str, Any]) -> Tensor:
    """Cosines, times 8, of the last hidden state with the candidates of each sample's task."""
    inputs = {key: value for key, value in batch.items() if key != "wanted"}
    if not isinstance(getattr(model, "module", model), PeftModel):
        inputs.pop("task_ids")  # the base model, as it is before training
    hidden = model(**inputs).last_hidden_state[:, -1].float()
    numbers = torch.Generator().manual_seed(0)
    candidates = torch.randn(2, CANDIDATES, hidden.shape[1], generator=numbers)[batch["task_ids"]]
    return 8 * nn.functional.cosine_similarity(hidden[:, None], candidates, dim=-1)


class QueryGradients(GradientSource):
    paired = False

    def __init__(self, tasks: Retrieval, loaded: LoadedModel, split: str) -> None:
        self.names, self.settings, self.split = tasks.names, {"candidates": CANDIDATES}, split
        self.tasks, self.loaded = tasks, loaded

    def sample_batches(self, batches: int, batch_size: int, *, seed: int) -> list[list[list[Any]]]:
        found = []
        for task, name in enumerate(self.names):
            queries = self.tasks.make_queries(self.split, task)
            order = np.random.default_rng(seed).permutation(len(queries)).tolist()
            parts = split_into_batches(order, batches, batch_size, task=name, has="queries")
            found.append([[queries[index] for index in part] for part in parts])
        return found

    @contextmanager
    def open_spaces(self, *, seed: int) -> Iterator[tuple[nn.Module, Mapping[str, ParameterSpace]]]:
        model = self.loaded.model
        with preserve_flags(model):
            named = find_adapter_parameters(model, "default")
            towers = get_parameter_towers(named, model)
            yield model, {"adapter": group_parameters(named, towers.__getitem__)}

    def compute_loss(self, model: nn.Module, task: int, batch: Sequence[Query]) -> Tensor:
        inputs = QueryCollator(self.loaded.processor)(batch)
        return self.tasks.compute_losses(model, model, inputs).losses.mean()


def train(folder: Path, steps: int) -> coterie.Run:
    recipe = replace(plain(steps=steps, learning_rate=3e-2), name=folder.name)
    tasks = Retrieval(k=1)
    return coterie.train(recipe, base=base(), tasks=tasks, out=folder, batch_size=8, progress=False)


def test_it_is_trained_evaluated_compared_diagnosed_and_reported(tmp_path: Path) -> None:
    long, short = train(tmp_path / "long", 30), train(tmp_path / "short", 1)
    assert long.config.tasks == Retrieval(k=1)  # read back by module:Name
    losses = [line["loss"] for line in long.read_log() if "loss" in line]
    assert losses[-1] < losses[0] / 2
    scores = coterie.evaluate(long)
    assert scores.tasks["first"].metric == "recall_at(k=1)"
    rows = [
        json.loads(line)
        for line in (long.folder / "predictions/test/first.jsonl").read_text().splitlines()
    ]
    hits = [row["ranks"][0] == row["wanted"] for row in rows]
    assert len(hits) == 8 and scores.tasks["first"].score == 100 * sum(hits) / 8
    untrained = coterie.evaluate(long, untrained=True)
    assert scores.tasks["first"].score > untrained.tasks["first"].score
    coterie.evaluate(short)
    table = compare([long, short], baseline=short)
    difference = next(row for row in table.rows if row.system == "long").difference["first"]
    was = coterie.evaluate(short).tasks["first"].score
    assert difference.value == pytest.approx(scores.tasks["first"].score - was)
    conflict = coterie.diagnose(long, batches=2, batch_size=4)
    assert conflict.tasks == ("first", "last") and conflict.space == "adapter"
    page = coterie.report([long, short], out=tmp_path / "page.html").read_text(encoding="utf-8")
    assert "recall_at(k=1)" in page and "first" in page and "last" in page


def test_it_is_saved() -> None:
    tasks = Retrieval(k=2, rows=4)
    assert serialization.loads(serialization.dumps(tasks)) == tasks
