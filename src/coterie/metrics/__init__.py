"""Metrics of predictions, one per file."""

from coterie.metrics.base import (
    AnswerMetric,
    ChoiceMetric,
    ChoicePrediction,
    DenseMetric,
    MapPrediction,
    TextMetric,
    TextPrediction,
)
from coterie.metrics.parse import parse_metric
from coterie.public_names import export_classes

__all__ = [
    "AnswerMetric", "ChoiceMetric", "ChoicePrediction", "DenseMetric", "MapPrediction",
    "TextMetric", "TextPrediction", "parse_metric",
]  # fmt: skip

__getattr__, __dir__ = export_classes(__name__)
