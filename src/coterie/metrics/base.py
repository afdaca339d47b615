"""The interface of metrics: additive statistics of samples, and the score of their sum."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from jaxtyping import Float64

from coterie.metrics.prediction import AnswerPrediction, ChoicePrediction, TextPrediction
from coterie.metrics.text.normalization import to_snake_case
from coterie.serialization import get_init_fields

Answer = TypeVar("Answer", bound=AnswerPrediction)
Statistics = Float64[np.ndarray, " statistics"]


class Metric(ABC):
    """A score computed from sums over samples, so that a bootstrap only has to sum again.

    Attributes:
        name: the name in tasks.yaml and scores.json; "" for the class's name in snake case.
        alias: an alternative name, such as "wer".
        prediction_type: the type of prediction that `statistics` takes.
        limits: minimum and maximum of the score; intervals are clipped to them.
    """

    name: ClassVar[str] = ""
    alias: ClassVar[str] = ""
    prediction_type: ClassVar[type[Any]]
    higher_is_better: ClassVar[bool] = True
    unit: ClassVar[str] = "%"
    limits: ClassVar[tuple[float, float]] = (0.0, 100.0)

    @classmethod
    def get_name(cls) -> str:
        """Return the name in tasks.yaml and scores.json."""
        return cls.name or to_snake_case(cls.__name__)

    def score(self, total: Statistics) -> float:
        """Compute the score of summed statistics; shares in percent, 0 to 100. NaN if undefined.

        By default there are two, of which the first is part of the second.
        """
        return compute_percent(*total)

    def list_settings(self) -> Mapping[str, Any]:
        """Return the fields that `str` shows."""
        return {field.name: getattr(self, field.name) for field in get_init_fields(type(self))}

    def __str__(self) -> str:
        """Format the metric as in tasks.yaml."""
        items = [f"{key}={value!r}" for key, value in self.list_settings().items()]
        return f"{self.get_name()}({', '.join(items)})" if items else self.get_name()


class AnswerMetric(Metric, Generic[Answer]):
    """A metric that compares a prediction with the accepted answers, which are texts.

    Kinds are frozen keyword-only dataclasses, subclasses of `TextMetric` or `ChoiceMetric`.
    `parse_metric` reads the `str` of one back to an equal metric.
    """

    prediction_type: ClassVar[type[AnswerPrediction]]

    def fit(self, answers: Iterable[tuple[str, ...]]) -> "AnswerMetric[Answer]":
        """Return the metric fitted to all answers of a split; by default itself."""
        return self

    def check(self, answers: tuple[str, ...]) -> None:
        """Raise ValueError if this metric cannot score a sample with these answers."""

    @abstractmethod
    def statistics(self, prediction: Answer, answers: tuple[str, ...]) -> Statistics:
        """Compute the statistics of one sample, which add up; `answers` are one or more."""


class TextMetric(AnswerMetric[TextPrediction]):
    """A metric of generated text. Kinds are frozen keyword-only dataclasses."""

    prediction_type = TextPrediction


class ChoiceMetric(AnswerMetric[ChoicePrediction]):
    """A metric of the scores of all allowed answers. Kinds are frozen keyword-only dataclasses."""

    prediction_type = ChoicePrediction


def compute_ratio(part: float, whole: float) -> float:
    """Compute part / whole; NaN if `whole` is 0."""
    return float(part) / float(whole) if whole else float("nan")


def compute_percent(part: float, whole: float) -> float:
    """Compute 100 * part / whole; NaN if `whole` is 0."""
    return compute_ratio(100.0 * float(part), whole)


def compute_ratios(part: Statistics, whole: Statistics) -> Float64[np.ndarray, "..."]:
    """Compute part / whole of the items where `whole` is above 0; one NaN if it is for none."""
    there = whole > 0
    return part[there] / whole[there] if there.any() else np.array([np.nan])
