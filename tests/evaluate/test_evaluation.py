"""A kind of task that coterie lacks, retrieval scored by R@k, is evaluated as others are."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import coterie
from coterie.evaluate import evaluate
from coterie.evaluate.evaluation import Evaluation
from coterie.evaluate.systems import load_system
from coterie.metrics.base import Metric
from coterie.models.loading import LoadedModel
from coterie.tasks.predictions import (
    EvaluationDataset,
    ForwardPass,
    PredictionResult,
)
from coterie.tasks.task_set import TaskSet
from coterie.train.config import RunConfig
from coterie.train.run import Run


@dataclass(frozen=True, kw_only=True)
class RecallAt(Metric):
    """The share of queries whose image is among the k nearest."""

    k: int

    def score(self, total: np.ndarray) -> float:
        return 100 * float(total[0] / total[1])

    def __str__(self) -> str:
        return f"recall_at(k={self.k})"


class Ranker(nn.Module):
    """Scores every image by its product with the query."""

    config = SimpleNamespace(model_type="ranker")

    def __init__(self) -> None:
        super().__init__()
        self.images = nn.Linear(2, 3, bias=False)
        self.images.weight.data = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])

    def forward(self, queries: torch.Tensor) -> torch.Tensor:
        return self.images(queries)


@dataclass(frozen=True, kw_only=True)
class Retrieval(TaskSet):
    """Queries, each with the number of the image that is wanted."""

    queries: tuple[tuple[tuple[float, float], int], ...]
    k: int = 1

    prediction_fields = ("source", "ranks", "wanted")

    @property
    def names(self) -> tuple[str, ...]:
        return ("find",)

    def load_model(self, base: str, **_: Any) -> LoadedModel:
        return LoadedModel(Ranker(), SimpleNamespace(), base)  # pyright: ignore[reportArgumentType]

    def load_evaluation_datasets(self, split: str, *, limit: int | None = None, **_: Any):
        samples = self.queries[:limit]
        return [EvaluationDataset(name="find", tasks=self.names, samples=samples)]

    def make_prediction_key(self, dataset: EvaluationDataset, task: str) -> dict[str, Any]:
        text = json.dumps([dataset.samples[i] for i in range(len(dataset.samples))])
        return {"samples": hashlib.sha256(text.encode()).hexdigest()}

    def predict(self, loaded, dataset, *, batch_size, on_routing=None, on_batch_end=print):
        queries, wanted = zip(*dataset.samples, strict=True)
        ranks = loaded.model(torch.tensor(queries)).argsort(descending=True).tolist()
        rows = [
            {"source": f"query {i}", "ranks": row, "wanted": wanted[i]}
            for i, row in enumerate(ranks)
        ]
        on_batch_end(len(rows))
        return PredictionResult({"find": rows}, 0.5)

    def get_metric(self, task: str) -> RecallAt:
        return RecallAt(k=self.k)

    def score_predictions(self, task, rows):
        hits = [[float(row["wanted"] in row["ranks"][: self.k]), 1.0] for row in rows]
        return self.get_metric(task), np.array(hits)

    def make_forward_pass(self, loaded, datasets, *, num_samples):
        queries = torch.tensor([query for query, _ in datasets[0].samples[:num_samples]])
        return ForwardPass(lambda: loaded.model(queries), len(queries))

    def _unused(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("evaluation does not train")

    load_datasets = make_collator = _unused
    transform = compute_losses = count_items = get_task_names = _unused


# The nearest images are 0 and 1, as wanted; the third query's is 0, and 1 is next.
QUERIES = (((1.0, 0.1), 0), ((0.1, 1.0), 1), ((1.0, 0.5), 1))


def make_run(folder: Path, k: int) -> Run:
    recipe = coterie.recipes.rode()
    return Run(folder, RunConfig(recipe=recipe, base="x", tasks=Retrieval(queries=QUERIES, k=k)))


def test_another_kind_of_task_needs_no_edit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = evaluate(make_run(tmp_path, k=1), untrained=True)
    found = scores.tasks["find"]
    assert (found.metric, found.samples) == ("recall_at(k=1)", 3)
    assert found.score == pytest.approx(200 / 3)
    # A product of [2] and [2, 3] a query.
    assert scores.cost["flops_per_sample"] == 2 * 2 * 3
    assert scores.cost["generate_samples_per_s"] == 3 / 0.5
    # Another metric needs no other predictions.
    monkeypatch.setattr(Retrieval, "predict", Retrieval._unused)
    assert evaluate(make_run(tmp_path, k=2), untrained=True).tasks["find"].score == 100
    read = load_system("x", [make_run(tmp_path, k=1)], control="untrained").tasks["find"]
    assert read.samples == ("query 0", "query 1", "query 2")
    assert read.statistics[0].tolist() == [[1, 1], [1, 1], [0, 1]]


def test_what_cannot_be_left_out_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="blind=True leaves out images and sounds"):
        evaluate(make_run(tmp_path, k=1), blind=True)


def test_numbers_are_at_least_1(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="limit=0: give at least 1"):
        Evaluation(run=make_run(tmp_path, k=1), limit=0)
    with pytest.raises(ValueError, match="batch_size=-1: give at least 1"):
        Evaluation(run=make_run(tmp_path, k=1), batch_size=-1)
