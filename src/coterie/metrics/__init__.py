"""Metrics of predictions, one per file."""

from coterie.metrics.base import AnswerMetric, ChoiceMetric, TextMetric
from coterie.metrics.dense.base import DenseMetric
from coterie.metrics.parse import parse_metric
from coterie.metrics.prediction import ChoicePrediction, MapPrediction, TextPrediction

__all__ = [
    "AnswerMetric",
    "ChoiceMetric",
    "ChoicePrediction",
    "DenseMetric",
    "MapPrediction",
    "TextMetric",
    "TextPrediction",
    "parse_metric",
]
from coterie.public_names import export_classes

__getattr__, __dir__ = export_classes(__name__)
