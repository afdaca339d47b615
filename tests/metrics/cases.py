"""Predictions and answers to hold metrics to their libraries with."""

import random

import numpy as np
from jaxtyping import Float64
from torch import Tensor

from coterie.metrics.base import DenseMetric, MapPrediction, TextMetric, TextPrediction

WORDS = "cat dog red green one two house big small tree runs over under with salt pepper".split()


def pairs(count: int, seed: int) -> list[tuple[str, str]]:
    """(prediction, answer): sentences of words, the prediction being a damaged answer."""
    rng = random.Random(seed)
    found = []
    for _ in range(count):
        answer = rng.choices(WORDS, k=rng.randint(1, 12))
        kept = [rng.choice(WORDS) if rng.random() < 0.3 else word for word in answer]
        found.append((" ".join(kept[: rng.randint(0, len(kept))]), " ".join(answer)))
    return found


def score(metric: TextMetric, *cases: tuple[str, tuple[str, ...]]) -> float:
    """The score of all cases together."""
    return metric.score(np.sum([text_statistics(metric, *case) for case in cases], axis=0))


def text_statistics(
    metric: TextMetric, text: str, answers: tuple[str, ...]
) -> Float64[np.ndarray, " statistics"]:
    """A metric's statistics of a generated text."""
    return metric.statistics(TextPrediction(text=text), answers)


def map_statistics(
    metric: DenseMetric, values: Tensor, label: Tensor
) -> Float64[np.ndarray, " statistics"]:
    """A metric's statistics of a head's output for one image."""
    return metric.statistics(MapPrediction(values=values), label)
