"""Metrics of generated text and of dense predictions, one a file."""

from coterie.metrics.base import TextMetric
from coterie.metrics.parse import parse_metric
from coterie.public_names import export_classes

__all__ = ["TextMetric", "parse_metric"]

__getattr__, __dir__ = export_classes(__name__)
