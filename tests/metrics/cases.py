"""Predictions and answers to hold metrics to their libraries with."""

import random

import numpy as np

from coterie.metrics.base import TextMetric

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
    return metric.score(np.sum([metric.statistics(*case) for case in cases], axis=0))
