"""Scores of generated answers, one metric to a file."""

from coterie.metrics.base import Metric
from coterie.metrics.named import of

__all__ = ["Metric", "of"]
