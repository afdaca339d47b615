"""Scores of generated answers, one metric to a file."""

from coterie.metrics.base import TextMetric
from coterie.metrics.parse import parse_metric

__all__ = ["TextMetric", "parse_metric"]
