"""Rows of a text task's predictions: made of samples and answers, and scored by a metric."""

import hashlib
import json
from collections.abc import Sequence

import numpy as np

from coterie.data.sample import TextSample
from coterie.metrics.base import AnswerMetric
from coterie.tasks.predictions import Prediction, ScoredPredictions


def compute_samples_digest(samples: Sequence[TextSample]) -> str:
    """Compute the sha256 of questions and answers, media included."""
    digest = hashlib.sha256()
    for sample in samples:
        turns = [
            [turn.role, [part if isinstance(part, str) else part.compute_digest()
                         for part in turn.parts]]
            for turn in sample.messages
        ]  # fmt: skip
        digest.update(json.dumps([sample.source, turns, list(sample.answers)]).encode())
    return digest.hexdigest()


def make_rows(samples: Sequence[TextSample], predictions: Sequence[str]) -> list[Prediction]:
    """Make the rows of samples and the model's answers to them, without statistics."""
    return [
        {
            "source": sample.source,
            "question": sample.get_last_user_text(),
            "prediction": prediction,
            "answers": list(sample.answers),
        }
        for sample, prediction in zip(samples, predictions, strict=True)
    ]


def score_rows(metric: AnswerMetric, rows: Sequence[Prediction]) -> ScoredPredictions:
    """Fit a metric to all answers of the rows, and compute its statistics for each row."""
    fitted = metric.fit(tuple(row["answers"]) for row in rows)
    load = metric.prediction_type.load
    found = [fitted.statistics(load(row["prediction"]), tuple(row["answers"])) for row in rows]
    return fitted, np.stack(found).astype(np.float64)
