"""Rows of a text task's predictions, made of samples and answers."""

import hashlib
import json
from collections.abc import Sequence

from coterie.data.sample import TextSample
from coterie.tasks.predictions import Prediction


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
