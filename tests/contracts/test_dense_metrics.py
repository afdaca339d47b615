"""What every dense metric must do, and that a new one is one class that no task has to own."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from jaxtyping import Float64
from torch import Tensor

import coterie.metrics.dense
from coterie import serialization
from coterie.metrics import DenseMetric, MapPrediction
from coterie.tasks.dense.inference import stack_statistics
from coterie.tasks.dense.kinds.depth import Depth

KINDS = serialization.find_kinds(coterie.metrics.dense, DenseMetric)
NEEDED = {"classes": 4}
"""Values of fields that some kinds cannot do without."""


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_is_saved_loaded_and_named(kind: type[DenseMetric]) -> None:
    fields = [field.name for field in serialization.get_init_fields(kind)]
    metric = kind(**{name: value for name, value in NEEDED.items() if name in fields})
    assert serialization.loads(serialization.dumps(metric)) == metric
    assert str(metric).partition("(")[0] == kind.get_name()
    assert kind.prediction_type is MapPrediction


@dataclass(frozen=True, kw_only=True)
class DepthAccuracy(DenseMetric):
    """Percent of pixels whose depth is within a factor of the true one (arXiv:1406.2283)."""

    limits: ClassVar[tuple[float, float]] = (0.0, 100.0)

    factor: float = 1.25

    def statistics(
        self, prediction: MapPrediction, label: Tensor
    ) -> Float64[np.ndarray, " statistics"]:
        known = label > 0
        found, right = prediction.values[known], label[known]
        ratio = torch.maximum(found / right, right / found)
        return np.array([float((ratio < self.factor).sum()), float(known.sum())])

    def score(self, total: Float64[np.ndarray, " statistics"]) -> float:
        return 100 * float(total[0] / total[1]) if total[1] else math.nan


@dataclass(frozen=True, kw_only=True)
class DepthScoredByAccuracy(Depth):
    """A task that is scored by a metric which is not part of coterie."""

    def make_metric(self) -> DenseMetric:
        return DepthAccuracy()


def test_a_new_metric_is_one_class() -> None:
    metric = DepthScoredByAccuracy(name="depth").make_metric()
    assert str(metric) == "depth_accuracy" and str(DepthAccuracy(factor=1.5)).endswith("=1.5)")
    label = torch.tensor([[[1.0, 2.0, math.nan, 4.0]]])
    # Ratios 1.2, 2 and 1.1; one pixel has no label: 2 of 3.
    prediction = MapPrediction(values=torch.tensor([[[1.2, 1.0, 9.0, 4.4]]]))
    statistics = stack_statistics("depth", [metric.statistics(prediction, label), None])
    assert statistics.tolist() == [[2, 3], [0, 0]]
    assert metric.score(statistics.sum(0)) == pytest.approx(200 / 3)
