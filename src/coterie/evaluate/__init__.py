"""Scores on held-out data with intervals, and comparison of systems on the same samples."""

from coterie.evaluate.compare import compare
from coterie.evaluate.evaluate import evaluate
from coterie.evaluate.measure_forgetting import measure_forgetting
from coterie.evaluate.scores import Scores, TaskScore
from coterie.evaluate.sequence_table import SequenceTable
from coterie.evaluate.table import Table

__all__ = [
    "Scores", "SequenceTable", "Table", "TaskScore", "compare", "evaluate", "measure_forgetting",
]  # fmt: skip
