"""Scores of generated answers, one metric to a file."""

from coterie.metrics.base import TextMetric
from coterie.metrics.named import parse_metric

__all__ = ["TextMetric", "parse_metric"]
