"""What every metric answers to: statistics of a sample that add up, and the score of a sum."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar

import numpy as np
from jaxtyping import Float64

from coterie.metrics.text.normalization import to_snake_case
from coterie.serialization import get_init_fields


class Metric(ABC):
    """A score of sums over samples, so that a bootstrap only has to add up again."""

    higher_is_better: ClassVar[bool] = True
    unit: ClassVar[str] = "%"
    limits: ClassVar[tuple[float, float]] = (0.0, 100.0)
    """The least and the greatest score; intervals end there."""

    @abstractmethod
    def score(self, total: Float64[np.ndarray, " statistics"]) -> float:
        """The score of a sum of statistics; shares in percent, 0 to 100. NaN if undefined."""


class TextMetric(Metric):
    """How good a written prediction is. Kinds are frozen keyword-only dataclasses."""

    alias: ClassVar[str] = ""
    """A second name, such as "wer"."""

    def fit(self, answers: Iterable[tuple[str, ...]]) -> "TextMetric":
        """The same metric, with what it must know of a split's answers; most need nothing."""
        return self

    def check(self, answers: tuple[str, ...]) -> None:
        """Raises ValueError if this metric can do nothing with a sample's answers."""
        return None

    @abstractmethod
    def statistics(
        self, prediction: str, answers: tuple[str, ...]
    ) -> Float64[np.ndarray, " statistics"]:
        """Numbers that add up over samples.

        Args:
            prediction: what the model wrote; may be empty.
            answers: all that are accepted, at least one.
        """

    def __str__(self) -> str:
        """As tasks.yaml has it: `metrics.of` makes an equal metric of it."""
        items = ", ".join(
            f"{field.name}={getattr(self, field.name)!r}" for field in get_init_fields(type(self))
        )
        return (
            f"{to_snake_case(type(self).__name__)}({items})"
            if items
            else to_snake_case(type(self).__name__)
        )


def compute_percent(part: float, whole: float) -> float:
    """100 * part / whole; NaN if the whole is 0."""
    return 100.0 * float(part) / float(whole) if whole else float("nan")
